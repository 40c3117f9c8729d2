"""Plausible artifacts of whole lines, as the stages leave them (docs/architecture.md): made up, seeded, quick."""

from __future__ import annotations

import csv
import json
import math
import random
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

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
    Stage("evaluate", "Measure on the test split", "evaluate", ("artifacts/model", "artifacts/data"),
          (Output("artifacts/metrics/evaluate.json"), Output("artifacts/evaluate"))),
    Stage("gate", "Hold the metrics to their bounds", "evaluate", ("artifacts/metrics/evaluate.json",),
          (Output("artifacts/metrics/gates.json"),)),
    Stage("export", "Export to ONNX and compare", "export", ("artifacts/model", "artifacts/metrics/gates.json"),
          (Output("artifacts/bundle"),)),
    Stage("robustness", "Disturb the inputs", "test", ("artifacts/bundle", "artifacts/data"),
          (Output("artifacts/metrics/robustness.json"),)),
    Stage("test", "Run the project's tests", "test", ("artifacts/bundle", "tests"), (Output("artifacts/test"),)),
)  # fmt: skip
WORLD = (
    Stage("package", "Build the image", "package", ("artifacts/bundle", "artifacts/test", "artifacts/metrics/robustness.json"),
          (Output("artifacts/image.json"),), needs=("docker",)),
    Stage("push", "Push the image", "registry", ("artifacts/image.json",), (Output("artifacts/release.json"),), effects=True),
    Stage("deploy", "Roll out to Lambda", "deploy", ("artifacts/release.json",), (Output("artifacts/deploy.json"),), effects=True),
    Stage("monitor", "Set up monitoring", "monitor", ("artifacts/deploy.json", "artifacts/bundle"),
          (Output("artifacts/monitor.json"),), effects=True),
)  # fmt: skip
SECONDS = {"data": 3.2, "train": 214.6, "evaluate": 9.8, "gate": 0.3, "export": 21.4, "robustness": 6.1, "test": 4.4,
           "package": 48.0, "push": 18.3, "deploy": 33.0, "monitor": 2.2}  # fmt: skip


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
    given = {
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
    values = {
        "project": {"name": name, "description": description, "authors": [], "license": ""},
        "data": given["data"] | {"format": {"type": "tsv", "columns": ["origin", "label", "mark", "sentence"]},
                                 "split": {"valid": 0.1, "test": 0.1, "seed": 7, "stratify": True}},
        "model": given["model"] | {"hidden": 128, "layers": 2, "dropout": 0.1},
        "train": {"max_epochs": 6, "batch_size": 32, "learning_rate": 3e-5, "precision": "32-true", "seed": 42,
                  "early_stopping": {"monitor": "valid/loss", "patience": 2, "mode": "min"}, "gradient_clip": 1.0},
        "evaluate": given["evaluate"] | {"slices": ["origin"], "split": "test"},
        "export": {"onnx": {"opset": 18, "tolerance": 1e-4, "quantize": "int8", "max_metric_drop": 0.01, "max_size": "100MB"}},
        "monitor": given["monitor"] | {"drift": {"window": "1d", "min_rows": 200, "threshold": {"psi": 0.2}}},
    }  # fmt: skip
    project = Project({"project": info}, Surroundings(), None, values, given)
    return Line(project, Plan((), tuple(stages)), (), root)


def text(root: Path, words: Sequence[str] = (), labels: Sequence[str] = ("unacceptable", "acceptable")) -> Line:
    """A text classifier whose gates pass. `words` are added to the sentences, for hostile ones."""
    line = replace(bare(root, description="Is this English sentence grammatical?"), outcomes=ran())
    sentences = [*words, "The more books I ask to whom he will give, the more he reads.", "They drank the pub dry.",
                 "Herman hammered the metal for an hour.", "What did Betsy paint a picture of yesterday at the lake?",
                 "Bill coughed his way out of the restaurant.", "The professor talked us."]  # fmt: skip
    line.json("data/schema.json", {"inputs": {"sentence": {"type": "text"}},
                                   "target": {"column": "label", "type": "class", "labels": list(labels)}})  # fmt: skip
    _profile(line, {"sentence": _text_column(line.draw)}, 6841, dict(zip(labels, (0.296, 0.704), strict=True)))
    _training(line, ("mcc", "accuracy"), 6)
    _classified(line, labels, (0.55, 0.93), (253, 602), {"origin": ["gj04", "cj99", "ks08", "bc01", "l-93", "m_02"]})
    line.json("metrics/gates.json", {"passed": True, "gates": [
        {"metric": "mcc", "bound": ">= 0.2", "value": 0.5312, "passed": True},
        {"metric": "accuracy", "bound": ">= 0.75", "value": 0.8175, "passed": True}]})  # fmt: skip
    count = 855
    actual = [line.draw.randrange(2) for _ in range(count)]
    wrong = [line.draw.random() < 0.18 for _ in actual]
    line.parquet("evaluate/predictions.parquet", {
        "sentence": [sentences[i % len(sentences)] for i in range(count)],
        "actual": [labels[a] for a in actual],
        "predicted": [labels[1 - a if w else a] for a, w in zip(actual, wrong, strict=True)],
        "confidence": [0.5 + line.draw.random() / 2 for _ in range(count)]})  # fmt: skip
    _exported(line, "mcc", 0.5312)
    line.json("metrics/robustness.json", {"passed": True, "min_agreement": 0.9, "perturbations": {
        "typos": {"agreement": 0.921, "rows": 855}, "case": {"agreement": 0.987, "rows": 855},
        "punctuation": {"agreement": 0.954, "rows": 855}}})  # fmt: skip
    return line


def regression(root: Path) -> Line:
    """House prices: a gate is missed, so the line stopped there."""
    outcomes = (
        *ran(STAGES[:3]),
        Outcome("gate", "failed", "mae is 31250, needed <= 25000", "mlspec apply --until evaluate", 0.2),
    )
    line = replace(bare(root, "prices", "Predict the price of a house"), outcomes=outcomes)
    line.json("data/schema.json", {"inputs": {"rooms": {"type": "number"}, "city": {"type": "category"}},
                                   "target": {"column": "price", "type": "number"}})  # fmt: skip
    columns = {
        "rooms": _number_column(line.draw, 4, 1.5, 2),
        "area": _number_column(line.draw, 96, 31, 412),
        "built": _number_column(line.draw, 1971, 24, 0),
        "city": {"type": "category", "count": 3900, "missing": 118, "unique": 24, "top": [
            {"value": v, "count": n} for v, n in [("Bonn", 1420), ("Köln", 990), ("Aachen", 420), ("Münster", 310), ("Essen", 120)]]},
        "price": _number_column(line.draw, 268_000, 83_000, 0),
    }  # fmt: skip
    _profile(line, columns, 3900, {})
    _training(line, ("mae",), 12)
    line.json("metrics/evaluate.json", {"task": "regression", "split": "test", "rows": 488, "metrics": {
        "mae": 31250.4, "rmse": 44120.9, "r2": 0.712}, "per_class": {}, "slices": {f"city={c}": {"rows": n, "metrics": {
            "mae": m, "rmse": m * 1.4, "r2": 0.8 - m / 3e5}} for c, n, m in [
                ("Bonn", 180, 24100.0), ("Köln", 121, 33900.5), ("Aachen", 52, 41880.0), ("Essen", 12, 61250.0)]}})  # fmt: skip
    line.json("metrics/gates.json", {"passed": False, "gates": [
        {"metric": "mae", "bound": "<= 25000", "value": 31250.4, "passed": False},
        {"metric": "r2", "bound": ">= 0.7", "value": 0.712, "passed": True}]})  # fmt: skip
    actual = [line.draw.gauss(268_000, 83_000) for _ in range(488)]
    line.parquet(
        "evaluate/predictions.parquet",
        {"actual": actual, "predicted": [a * 0.86 + 38_000 + line.draw.gauss(0, 36_000) for a in actual]},
    )
    line.parquet("data/test.parquet", {"rooms": [float(line.draw.randrange(1, 9)) for _ in actual],
                                       "city": [line.draw.choice(["Bonn", "Köln", None]) for _ in actual], "price": actual})  # fmt: skip
    return line


def images(root: Path) -> Line:
    """Handwritten digits, ten classes, with little pictures of the mistakes; docker is missing."""
    skipped = Outcome("package", "skipped", "needs docker: the engine does not answer", "sudo systemctl start docker")
    line = replace(bare(root, "digits", "Which digit is this?", (*STAGES, WORLD[0])), outcomes=(*ran(), skipped))
    labels = [str(n) for n in range(10)]
    line.json("data/schema.json", {"inputs": {"image": {"type": "image", "channels": 1, "height": 8, "width": 8}},
                                   "target": {"column": "label", "type": "class", "labels": labels}})  # fmt: skip
    _profile(line, {"image": {"type": "image", "count": 1437, "missing": 0, "channels": 1, "height": 8, "width": 8, "mean": [0.305],
                              "std": [0.376]}}, 1437, {label: 0.1 + 0.002 * (i % 3 - 1) for i, label in enumerate(labels)})  # fmt: skip
    _training(line, ("accuracy",), 9)
    _classified(line, labels, [0.97 - 0.02 * (i % 4) for i in range(10)], [18] * 10, {})
    line.json(
        "metrics/gates.json",
        {"passed": True, "gates": [{"metric": "accuracy", "bound": ">= 0.9", "value": 0.9444, "passed": True}]},
    )
    count = 180
    line.parquet("evaluate/predictions.parquet", {"actual": [i % 10 for i in range(count)], "confidence": [0.4 + 0.003 * i for i in range(count)],
                                                  "predicted": [(i + (i % 11 == 0)) % 10 for i in range(count)]})  # fmt: skip
    line.parquet(
        "data/test.parquet", {"image": [png(line.draw) for _ in range(count)], "label": [i % 10 for i in range(count)]}
    )
    _exported(line, "accuracy", 0.9444)
    return line


def failed(root: Path) -> Line:
    """Training died in its second epoch; what lies in artifacts/ beyond the data is nothing."""
    trouble = Outcome(
        "train", "failed", "the process ended with exit code 1", "mlspec apply", 41.7, ".mlspec/logs/train.log"
    )
    line = replace(
        bare(root, description="Is this English sentence grammatical?"), outcomes=(*ran(STAGES[:1]), trouble)
    )
    _profile(line, {"sentence": _text_column(line.draw)}, 6841, {"no": 0.3, "yes": 0.7})
    log = line.root / ".mlspec/logs/train.log"
    log.parent.mkdir(parents=True)
    progress = "\r".join(f"epoch 0: {n}/214 \x1b[32mloss {0.7 - n / 900:.3f}\x1b[0m" for n in range(1, 215))
    lines = [f"line {n}: reading row group {n} of artifacts/data/train.parquet" for n in range(60)]
    log.write_text("\n".join([*lines, progress, "loss is nan in epoch 1, step 231", "error: training diverged",
                              "  = help: lower train.learning_rate, or set train.gradient_clip"]) + "\n")  # fmt: skip
    return line


def huge(root: Path) -> Line:
    """60 classes, 40 columns, 60 slices and the whole line to the cloud."""
    line = replace(
        bare(root, "products", "Sort products into departments", (*STAGES, *WORLD)), outcomes=ran((*STAGES, *WORLD))
    )
    labels = [f"{kind} / {n:02d} {what}" for n, (kind, what) in enumerate(
        (k, w) for k in ("Home", "Garden", "Kitchen", "Toys", "Sports", "Books", "Music", "Office", "Clothes", "Food")
        for w in ("small", "large", "outdoor", "children", "used", "gift sets and assortments"))]  # fmt: skip
    columns = {f"feature_{n:02d}": _number_column(line.draw, n, 1 + n, n * 13) for n in range(30)} | {
        f"category_with_a_rather_long_name_{n}": {"type": "category", "count": 40_000, "missing": n * 40, "unique": 300, "top": [
            {"value": f"value {i}", "count": 9000 // (i + 1)} for i in range(10)]} for n in range(10)}  # fmt: skip
    line.json(
        "data/schema.json",
        {
            "inputs": dict.fromkeys(columns, {"type": "number"}),
            "target": {"column": "department", "type": "class", "labels": labels},
        },
    )
    raw = [1 / (i + 2) for i in range(60)]
    _profile(line, columns, 40_000, {label: r / sum(raw) for label, r in zip(labels, raw, strict=True)})
    _training(line, ("accuracy", "f1", "top5_accuracy"), 60)
    _classified(line, labels, [0.9 - 0.008 * (i % 40) for i in range(60)], [20 + 300 // (i + 1) for i in range(60)],
                {"shop": [f"shop {n}" for n in range(60)]})  # fmt: skip
    _exported(line, "accuracy", 0.77)
    return line


def png(draw: random.Random, side: int = 8) -> bytes:
    """A grey picture of noise."""
    rows = b"".join(b"\0" + bytes(draw.randrange(256) for _ in range(side)) for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _number_column(draw: random.Random, mean: float, std: float, missing: int) -> dict[str, object]:
    return {"type": "number", "count": 3900, "missing": missing, **_figures(draw, mean, std)}


def _text_column(draw: random.Random) -> dict[str, object]:
    return {"type": "text", "count": 6841, "missing": 0, "lengths": _figures(draw, 41.4, 14)}


def _figures(draw: random.Random, mean: float, std: float) -> dict[str, object]:
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


def _profile(line: Line, columns: Mapping[str, object], rows: int, shares: Mapping[str, float]) -> None:
    target = {"label": {"type": "class", "count": rows, "missing": 0, "shares": dict(shares)}} if shares else {}
    splits = {"train": rows, "valid": rows // 8, "test": rows // 8}
    line.json("data/profile.json", {"rows": rows, "splits": splits, "columns": {**columns, **target}})


def _training(line: Line, metrics: Sequence[str], epochs: int) -> None:
    header = ["epoch", "step", "train/loss", "valid/loss", *(f"valid/{m}" for m in metrics), "learning_rate"]
    rows = []
    for epoch in range(epochs):
        part = epoch / max(1, epochs - 1)
        train, valid = 0.69 * math.exp(-1.5 * part), 0.68 * math.exp(-0.9 * part) + 0.11 * part**2
        scores = [0.83 * (1 - math.exp(-4 * part - 0.3)) + line.draw.gauss(0, 0.012) for _ in metrics]
        rows.append([epoch, (epoch + 1) * 214, train, valid, *scores, 3e-5 * (1 - part)])
    line.csv("plots/train.csv", header, rows)
    best = min(rows, key=lambda row: float(row[3]))
    line.json("metrics/train.json", {"epochs": epochs, "steps": epochs * 214, "best": {
        "monitor": "valid/loss", "value": best[3], "epoch": best[0], "step": best[1]},
        "valid": dict(zip((f"valid/{m}" for m in metrics), best[4:], strict=False))})  # fmt: skip


def _classified(
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
    found = {f"{column}={value}": {"rows": 12 + 37 * i % 300, "metrics": {
        "mcc": 0.5312 + line.draw.gauss(0, 0.14), "accuracy": accuracy + line.draw.gauss(0, 0.05), "f1": 0.8}}
        for column, values in slices.items() for i, value in enumerate(values)}  # fmt: skip
    line.json("metrics/evaluate.json", {"task": "classification", "split": "test", "rows": len(pairs), "metrics": {
        "mcc": 0.5312, "accuracy": accuracy, "f1": 0.8714, "auroc": 0.8422}, "per_class": per_class, "slices": found,
        "calibration": {"ece": 0.0431}})  # fmt: skip
    bins = [
        (0.525 + 0.05 * i, min(1.0, 0.5 + 0.043 * i + line.draw.gauss(0, 0.02)), 20 + 14 * i * (i % 3 + 1))
        for i in range(10)
    ]
    line.csv("plots/calibration.csv", ["confidence", "accuracy", "count"], bins)


def _exported(line: Line, metric: str, value: float) -> None:
    checked = [{"batch": b, "length": n, "difference": 2.1e-6 * b} for b in (1, 2, 7) for n in (4, 19, 64)]
    line.json("metrics/export.json", {"opset": 18, "parity": {"max_abs_difference": 1.47e-5, "checked": checked},
              "metric": {"name": metric, "torch": value, "onnx": value}, "size_bytes": 17_642_311,
              "int8": {"metric": value - 0.004, "drop": 0.004, "size_bytes": 4_611_830}})  # fmt: skip
    line.json("bundle/lineage.json", {"project": "cola", "mlspec": "0.1.0", "git": {"commit": "4be19c0a2f", "dirty": False},
              "data": {"source": "data/cola.tsv", "sha256": "9f2b" * 16, "rows": 8551}, "model": {"checkpoint": "best.ckpt", "sha256": "01ab" * 16},
              "spec": "sha256:77c0" + "5" * 20, "packages": {"torch": "2.13.0", "onnx": "1.23.0"}})  # fmt: skip
