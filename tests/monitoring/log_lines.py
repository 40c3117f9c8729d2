"""Predictions as the lines of a segment, and a process's segment, written from the documented format."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mlspec.records.bundle_signature import BundleSignature, SignatureGraph, SignatureInput, SignatureOutput

DAY = datetime(2026, 11, 27, tzinfo=UTC)
SIGNATURE = BundleSignature(
    name="shop",
    task="classification",
    inputs=(
        SignatureInput(name="age", type="number"),
        SignatureInput(name="town", type="category"),
        SignatureInput(name="sentence", type="text"),
    ),
    output=SignatureOutput(labels=("no", "yes")),
    graph=SignatureGraph(inputs=("x",), output="logits"),
)
REGRESSION = SIGNATURE.model_copy(update={"task": "regression", "output": SignatureOutput(name="price")})


def line(number: int, moment: datetime | None = None, **values: Any) -> dict[str, Any]:
    """One prediction, a second after the one before it; `values` replace its keys."""
    moment = moment or DAY + timedelta(seconds=number)
    score = 0.5 + (number % 50) / 100
    record = {
        "id": f"{number:032x}",
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request_id": f"r{number}",
        "row": 0,
        "model": "shop",
        "version": "7",
        "front": "http",
        "route": "/predict",
        "status": 200,
        "outcome": "success",
        "error": None,
        "latency_ms": 1.0 + number % 10,
        "weight": 1.0,
        "inputs": {"age": float(number % 90), "town": ("Bonn", "Köln", None)[number % 3], "sentence": f"row {number}"},
        "lengths": {"sentence": {"characters": len(f"row {number}"), "words": 2}},
        "prediction": {"label": "yes", "score": score, "probabilities": {"no": round(1 - score, 2), "yes": score}},
    }
    return record | values


def failure(number: int, outcome: str = "failed", **values: Any) -> dict[str, Any]:
    """A request without a prediction."""
    dropped = ("inputs", "lengths", "prediction")
    record = {name: value for name, value in line(number).items() if name not in dropped}
    return record | {"row": None, "status": 500, "outcome": outcome, "error": "ValueError"} | values


def text(records: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def segment(
    folder: Path,
    records: Iterable[dict[str, Any]] | str | bytes,
    name: str = f"{socket.gethostname()}-{os.getpid()}-1764255000000-0",
    *,
    day: str = "2026-11-27",
    is_open: bool = False,
) -> Path:
    """A file of the log."""
    content = records if isinstance(records, str | bytes) else text(records)
    path = folder / "log" / day / f"{name}.jsonl{'.open' if is_open else ''}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return path
