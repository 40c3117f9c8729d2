"""A line under test and what its stages leave behind, in the shapes of docs/architecture.md: made up, seeded, quick."""

from __future__ import annotations

import csv
import json
import math
import random
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.plan.plan import Plan
from mlspec.plan.stage import Output, Stage
from mlspec.run.outcome import Outcome
from mlspec.source.surroundings import Surroundings
from mlspec.spec.project import Project, ProjectInfo

STAGES = (
    Stage("data", "Check and split the data", "data", ("data/raw.tsv",), (Output("artifacts/data"),)),
    Stage("train", "Train the model", "train", ("artifacts/data",), (Output("artifacts/model"),)),
    Stage(
        "evaluate",
        "Measure on the test split",
        "evaluate",
        ("artifacts/model", "artifacts/data"),
        (Output("artifacts/metrics/evaluate.json"), Output("artifacts/evaluate")),
    ),
    Stage(
        "gate",
        "Hold the metrics to their bounds",
        "evaluate",
        ("artifacts/metrics/evaluate.json",),
        (Output("artifacts/metrics/gates.json"),),
    ),
    Stage(
        "export",
        "Export to ONNX and compare",
        "export",
        ("artifacts/model", "artifacts/metrics/gates.json"),
        (Output("artifacts/bundle"),),
    ),
    Stage(
        "robustness",
        "Disturb the inputs",
        "test",
        ("artifacts/bundle", "artifacts/data"),
        (Output("artifacts/metrics/robustness.json"),),
    ),
    Stage("test", "Run the project's tests", "test", ("artifacts/bundle", "tests"), (Output("artifacts/test"),)),
)
WORLD = (
    Stage(
        "package",
        "Build the image",
        "package",
        ("artifacts/bundle", "artifacts/test", "artifacts/metrics/robustness.json"),
        (Output("artifacts/image.json"),),
        needs=("docker",),
    ),
    Stage(
        "push",
        "Push the image",
        "registry",
        ("artifacts/image.json",),
        (Output("artifacts/release.json"),),
        effects=True,
    ),
    Stage(
        "deploy",
        "Roll out to Lambda",
        "deploy",
        ("artifacts/release.json",),
        (Output("artifacts/deploy.json"),),
        effects=True,
    ),
    Stage(
        "monitor",
        "Set up monitoring",
        "monitor",
        ("artifacts/deploy.json", "artifacts/bundle"),
        (Output("artifacts/monitor.json"),),
        effects=True,
    ),
)
SECONDS = {
    "data": 3.2,
    "train": 214.6,
    "evaluate": 9.8,
    "gate": 0.3,
    "export": 21.4,
    "robustness": 6.1,
    "test": 4.4,
    "package": 48.0,
    "push": 18.3,
    "deploy": 33.0,
    "monitor": 2.2,
}


@dataclass(frozen=True)
class Line:
    """What `report.write` is given, and the folder with the artifacts."""

    project: Project
    plan: Plan
    outcomes: tuple[Outcome, ...]
    root: Path
    draw: random.Random = field(default_factory=lambda: random.Random(7))

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    def json(self, path: str, value: object) -> None:
        file = self.artifacts / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value), encoding="utf-8")

    def csv(self, path: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        file = self.artifacts / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([header, *rows])

    def parquet(self, path: str, columns: Mapping[str, Sequence[object]]) -> None:
        file = self.artifacts / path
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), file)


def ran(stages: Sequence[Stage] = STAGES) -> tuple[Outcome, ...]:
    return tuple(Outcome(s.name, "ran", "never ran", "", SECONDS[s.name], f".mlspec/logs/{s.name}.log") for s in stages)


def bare(root: Path, name: str = "cola", description: str = "", stages: Sequence[Stage] = STAGES) -> Line:
    """A line of which nothing has run."""
    info = ProjectInfo(name=name, description=description)
    given: dict[str, Any] = {
        "project": {"name": name},
        "data": {
            "source": "data/cola.tsv",
            "inputs": {"sentence": "text"},
            "target": {"column": "label", "type": "class"},
        },
        "model": {"type": "text-classifier", "pretrained": "google/bert_uncased_L-2_H-128_A-2"},
        "train": {"max_epochs": 6, "learning_rate": 3e-5},
        "evaluate": {"metrics": ["mcc", "accuracy", "f1"], "gates": {"mcc": ">= 0.2"}},
        "monitor": {"elasticsearch": {"url": {"env": "ELASTIC_URL"}, "api_key": {"env": "ELASTIC_API_KEY"}}},
    }
    values: dict[str, Any] = {
        "project": {"name": name, "description": description, "authors": [], "license": ""},
        "data": given["data"]
        | {
            "format": {"type": "tsv", "columns": ["origin", "label", "mark", "sentence"]},
            "split": {"valid": 0.1, "test": 0.1, "seed": 7, "stratify": True},
        },
        "model": given["model"] | {"hidden": 128, "layers": 2, "dropout": 0.1},
        "train": {
            "max_epochs": 6,
            "batch_size": 32,
            "learning_rate": 3e-5,
            "precision": "32-true",
            "seed": 42,
            "early_stopping": {"monitor": "valid/loss", "patience": 2, "mode": "min"},
            "gradient_clip": 1.0,
        },
        "evaluate": given["evaluate"] | {"slices": ["origin"], "split": "test"},
        "export": {
            "onnx": {"opset": 18, "tolerance": 1e-4, "quantize": "int8", "max_metric_drop": 0.01, "max_size": "100MB"}
        },
        "monitor": given["monitor"] | {"drift": {"window": "1d", "min_rows": 200, "threshold": {"psi": 0.2}}},
    }
    project = Project({"project": info}, Surroundings(), None, values, given)
    return Line(project, Plan((), tuple(stages)), (), root)


def png(draw: random.Random, side: int = 8) -> bytes:
    """A grey picture of noise."""
    rows = b"".join(b"\0" + bytes(draw.randrange(256) for _ in range(side)) for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def number_column(draw: random.Random, mean: float, std: float, missing: int) -> dict[str, object]:
    return {"type": "number", "count": 3900, "missing": missing, **figures(draw, mean, std)}


def text_column(draw: random.Random) -> dict[str, object]:
    return {"type": "text", "count": 6841, "missing": 0, "lengths": figures(draw, 41.4, 14)}


def figures(draw: random.Random, mean: float, std: float) -> dict[str, object]:
    values = sorted(draw.gauss(mean, std) for _ in range(600))
    low, high = values[0], values[-1]
    edges = [low + (high - low) * i / 20 for i in range(21)]
    counts = [sum(edges[i] <= v < edges[i + 1] for v in values) * 6 for i in range(20)]
    quantiles = {str(q): values[int(q * 599)] for q in (0.05, 0.25, 0.5, 0.75, 0.95)}
    return {
        "mean": mean,
        "std": std,
        "min": low,
        "max": high,
        "quantiles": quantiles,
        "histogram": {"edges": edges, "counts": counts},
    }


def profile(line: Line, columns: Mapping[str, object], rows: int, shares: Mapping[str, float]) -> None:
    target = {"label": {"type": "class", "count": rows, "missing": 0, "shares": dict(shares)}} if shares else {}
    splits = {"train": rows, "valid": rows // 8, "test": rows // 8}
    line.json("data/profile.json", {"rows": rows, "splits": splits, "columns": {**columns, **target}})


def training(line: Line, metrics: Sequence[str], epochs: int) -> None:
    header = ["epoch", "step", "train/loss", "valid/loss", *(f"valid/{m}" for m in metrics), "learning_rate"]
    rows = []
    for epoch in range(epochs):
        part = epoch / max(1, epochs - 1)
        train, valid = 0.69 * math.exp(-1.5 * part), 0.68 * math.exp(-0.9 * part) + 0.11 * part**2
        scores = [0.83 * (1 - math.exp(-4 * part - 0.3)) + line.draw.gauss(0, 0.012) for _ in metrics]
        rows.append([epoch, (epoch + 1) * 214, train, valid, *scores, 3e-5 * (1 - part)])
    line.csv("plots/train.csv", header, rows)
    best = min(rows, key=lambda row: float(row[3]))
    line.json(
        "metrics/train.json",
        {
            "epochs": epochs,
            "steps": epochs * 214,
            "best": {"monitor": "valid/loss", "value": best[3], "epoch": best[0], "step": best[1]},
            "valid": dict(zip((f"valid/{m}" for m in metrics), best[4:], strict=False)),
        },
    )


def classified(
    line: Line,
    labels: Sequence[str],
    recalls: Sequence[float],
    support: Sequence[int],
    slices: Mapping[str, Sequence[str]],
) -> None:
    pairs = []
    for index, (label, recall, rows) in enumerate(zip(labels, recalls, support, strict=True)):
        right = round(rows * recall)
        others = [
            labels[(index + step) % len(labels)] for step in (1, 1, 1, 2, 3) if (index + step) % len(labels) != index
        ]
        pairs += [(label, label)] * right + [(label, line.draw.choice(others)) for _ in range(rows - right)]
    line.csv("plots/confusion.csv", ["actual", "predicted"], pairs)
    per_class = {}
    for label, rows in zip(labels, support, strict=True):
        hits, claimed = pairs.count((label, label)), sum(p == label for _, p in pairs)
        precision, recall = hits / max(1, claimed), hits / rows
        per_class[label] = {
            "precision": precision,
            "recall": recall,
            "f1": 2 * hits / max(1, claimed + rows),
            "support": rows,
        }
    accuracy = sum(a == p for a, p in pairs) / len(pairs)
    found = {
        f"{column}={value}": {
            "rows": 12 + 37 * i % 300,
            "metrics": {
                "mcc": 0.5312 + line.draw.gauss(0, 0.14),
                "accuracy": accuracy + line.draw.gauss(0, 0.05),
                "f1": 0.8,
            },
        }
        for column, values in slices.items()
        for i, value in enumerate(values)
    }
    line.json(
        "metrics/evaluate.json",
        {
            "task": "classification",
            "split": "test",
            "rows": len(pairs),
            "metrics": {"mcc": 0.5312, "accuracy": accuracy, "f1": 0.8714, "auroc": 0.8422},
            "per_class": per_class,
            "slices": found,
            "calibration": {"ece": 0.0431},
        },
    )
    bins = [
        (0.525 + 0.05 * i, min(1.0, 0.5 + 0.043 * i + line.draw.gauss(0, 0.02)), 20 + 14 * i * (i % 3 + 1))
        for i in range(10)
    ]
    line.csv("plots/calibration.csv", ["confidence", "accuracy", "count"], bins)


def exported(line: Line, metric: str, value: float) -> None:
    checked = [{"batch": b, "length": n, "difference": 2.1e-6 * b} for b in (1, 2, 7) for n in (4, 19, 64)]
    line.json(
        "metrics/export.json",
        {
            "opset": 18,
            "parity": {"max_abs_difference": 1.47e-5, "checked": checked},
            "metric": {"name": metric, "torch": value, "onnx": value},
            "size_bytes": 17_642_311,
            "int8": {"metric": value - 0.004, "drop": 0.004, "size_bytes": 4_611_830},
        },
    )
    line.json(
        "bundle/lineage.json",
        {
            "project": "cola",
            "mlspec": "0.1.0",
            "git": {"commit": "4be19c0a2f", "dirty": False},
            "data": {"source": "data/cola.tsv", "sha256": "9f2b" * 16, "rows": 8551},
            "model": {"checkpoint": "best.ckpt", "sha256": "01ab" * 16},
            "spec": "sha256:77c0" + "5" * 20,
            "packages": {"torch": "2.13.0", "onnx": "1.23.0"},
        },
    )
