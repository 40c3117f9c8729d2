"""What the stages of a line leave behind, made up: columns, profiles, curves, confusions, an exported model."""

from __future__ import annotations

import math
import random
import struct
import zlib
from collections.abc import Mapping, Sequence

from tests.run.line import Line


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
    taken = {"subject": "files", "reading": "3 of 60 files not read: .txt (3)", "key": "data.source"}
    plain = {
        "subject": "images picture",
        "reading": "4 of 57 images: transparent pixels composited on white",
        "key": "",
    }
    line.json("data/decisions.json", {"decisions": [taken, plain]})
    line.json("data/profile.json", {"rows": rows, "splits": splits, "columns": {**columns, **target}})


def training(line: Line, metrics: Sequence[str], epochs: int) -> None:
    header = ["epoch", "step", "train/loss", "valid/loss", *(f"valid/{m}" for m in metrics), "learning_rate"]
    rows = []
    for epoch in range(epochs):
        part = epoch / max(1, epochs - 1)
        train, valid = 0.69 * math.exp(-1.5 * part), 0.68 * math.exp(-0.9 * part) + 0.11 * part**2
        scores = [0.83 * (1 - math.exp(-4 * part - 0.3)) + line.draw.gauss(0, 0.012) for _ in metrics]
        rows.append([epoch + 1, (epoch + 1) * 214, train, valid, *scores, 3e-5 * (1 - part)])
    line.csv("plots/train.csv", header, rows)
    best = min(rows, key=lambda row: float(row[3]))
    watched = {"subject": "checkpoint", "reading": "smallest valid/loss", "key": "train.checkpoint.mode"}
    line.json("train/decisions.json", {"decisions": [watched]})
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
    actual = {
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
            "constant": {"answer": labels[0], "metrics": {"mcc": 0.0, "accuracy": 0.6912, "auroc": None}},
            "per_class": per_class,
            "slices": actual,
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
            "git": {"commit": "4be19c0a2f", "dirty": False},
            "spec": "77c0" + "5" * 60,
            "data": {"train.parquet": "9f2b" * 16},
            "checkpoint": "01ab" * 16,
            "metrics": {"train": {"mcc": 0.5}, "evaluate": {"mcc": 0.5312}},
            "config": {"train": {"seed": 7}},
            "packages": {"torch": "2.13.0", "onnx": "1.23.0"},
            "files": {"model.onnx": "3c" * 32},
        },
    )
