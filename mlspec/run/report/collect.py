"""The folder `artifacts/` to frozen data: what each stage left behind, as far as it is there.

The shapes are those of docs/architecture.md. Writes nothing; a part whose file is missing or broken is empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlspec.run.report.decisions import Decision, decisions
from mlspec.run.report.examples import Example, examples
from mlspec.run.report.files import csv_rows, json_file, mapping, numbers, real, sequence, whole
from mlspec.run.report.profile import Profile, profile
from mlspec.run.report.shipping import Shipped, shipped

POINTS = 2000
"""Points of the scatter plot; of more rows, every n-th is drawn."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One measured quantity over the epochs: `(epoch, value)` in the order of training."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Training:
    """`metrics/train.json` and `plots/train.csv`."""

    epochs: int = 0
    steps: int = 0
    monitor: str = ""
    best: float | None = None
    best_epoch: float | None = None
    valid: Mapping[str, float] = field(default_factory=dict)
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """One bound on a metric, and whether it holds."""

    metric: str
    bound: str
    value: float | None
    passed: bool


@dataclass(frozen=True, slots=True)
class Gates:
    """`metrics/gates.json`."""

    passed: bool
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """The metrics of the rows where `name` (`column=value`) holds."""

    name: str
    rows: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Bin:
    """The predictions of about one confidence, and how many of them were right."""

    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each class was taken for which: `counts[actual, predicted]`."""

    labels: tuple[str, ...]
    counts: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`metrics/evaluate.json` and the plots beside it."""

    task: str = ""
    split: str = ""
    rows: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    slices: tuple[Slice, ...] = ()
    calibration_error: float | None = None
    bins: tuple[Bin, ...] = ()
    confusion: Confusion | None = None
    constant: str = ""
    """The one answer that scores best when it is given to every row."""
    floor: Mapping[str, float] = field(default_factory=dict)
    """What that answer scores."""
    undefined: Mapping[str, str] = field(default_factory=dict)
    """Why a metric has no value on these rows."""


@dataclass(frozen=True, slots=True)
class Fit:
    """`plots/fit.csv`: predicted numbers against actual ones, `(actual, predicted)`; of many rows every n-th."""

    points: tuple[tuple[float, float], ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Robustness:
    """`metrics/robustness.json`: for each perturbation the share of unchanged answers and the number of rows."""

    passed: bool
    minimum: float | None
    perturbations: Mapping[str, tuple[float, int]]


@dataclass(frozen=True, slots=True)
class Results:
    """All that the line left in `artifacts/`."""

    training: Training | None
    evaluation: Evaluation | None
    gates: Gates | None
    export: Mapping[str, object]
    robustness: Robustness | None
    profile: Profile | None
    mistakes: tuple[Example, ...]
    fit: Fit | None
    labels: tuple[str, ...]
    lineage: Mapping[str, object]
    shipped: Shipped
    decisions: tuple[Decision, ...] = ()


def collect(artifacts: Path) -> Results:
    """Read what is there."""
    schema = json_file(artifacts / "data/schema.json")
    labels = tuple(map(str, sequence(mapping(schema.get("target")).get("labels"))))
    return Results(
        training=_training(artifacts),
        evaluation=_evaluation(artifacts, labels),
        gates=_gates(artifacts),
        export=json_file(artifacts / "metrics/export.json"),
        robustness=_robustness(artifacts),
        profile=profile(artifacts, labels),
        mistakes=examples(artifacts, tuple(mapping(schema.get("inputs"))), labels),
        fit=_fit(artifacts / "plots/fit.csv"),
        labels=labels,
        lineage=json_file(artifacts / "bundle/lineage.json"),
        shipped=shipped(artifacts),
        decisions=decisions(artifacts),
    )


def _training(artifacts: Path) -> Training | None:
    metrics = json_file(artifacts / "metrics/train.json")
    curves = _curves(artifacts / "plots/train.csv")
    if not metrics and not curves:
        return None
    best = mapping(metrics.get("best"))
    return Training(
        whole(metrics.get("epochs")),
        whole(metrics.get("steps")),
        str(best.get("monitor") or ""),
        real(best.get("value")),
        real(best.get("epoch")),
        numbers(metrics.get("valid")),
        curves,
    )


def _curves(path: Path) -> tuple[Curve, ...]:
    points: dict[str, list[tuple[float, float]]] = {}
    for index, row in enumerate(csv_rows(path)):
        epoch = real(row.get("epoch"))
        for name, cell in row.items():
            value = real(cell)
            if value is not None and name not in ("epoch", "step"):
                points.setdefault(name, []).append((index if epoch is None else epoch, value))
    return tuple(Curve(name, tuple(found)) for name, found in points.items())


def _evaluation(artifacts: Path, labels: tuple[str, ...]) -> Evaluation | None:
    found = json_file(artifacts / "metrics/evaluate.json")
    confusion = _confusion(artifacts / "plots/confusion.csv", labels)
    bins = _bins(artifacts / "plots/calibration.csv")
    if not found and confusion is None and not bins:
        return None
    return Evaluation(
        str(found.get("task") or ""),
        str(found.get("split") or ""),
        whole(found.get("rows")),
        numbers(found.get("metrics")),
        {label: numbers(scores) for label, scores in mapping(found.get("per_class")).items()},
        tuple(
            Slice(name, whole(mapping(entry).get("rows")), numbers(mapping(entry).get("metrics")))
            for name, entry in mapping(found.get("slices")).items()
        ),
        real(mapping(found.get("calibration")).get("ece")),
        bins,
        confusion,
        _answer(mapping(found.get("constant")).get("answer")),
        numbers(mapping(found.get("constant")).get("metrics")),
        {name: str(reason) for name, reason in mapping(found.get("undefined")).items()},
    )


def _answer(value: object) -> str:
    """As it is shown: a label as it is, a number short."""
    return f"{value:.4g}" if isinstance(value, int | float) else str(value or "")


def _confusion(path: Path, labels: tuple[str, ...]) -> Confusion | None:
    counts = Counter(
        (row["actual"], row["predicted"]) for row in csv_rows(path) if {"actual", "predicted"} <= row.keys()
    )
    if not counts:
        return None
    seen = {label for pair in counts for label in pair}
    known = tuple(label for label in labels if label in seen)
    return Confusion(known + tuple(sorted(seen - set(known), key=_natural)), dict(counts))


def _natural(label: str) -> tuple[float, str]:
    """Numbers by size, words by letter after them."""
    number = real(label)
    return (number if number is not None else float("inf"), label)


def _bins(path: Path) -> tuple[Bin, ...]:
    found = []
    for row in csv_rows(path):
        confidence, accuracy = real(row.get("confidence")), real(row.get("accuracy"))
        if confidence is not None and accuracy is not None:
            found.append(Bin(confidence, accuracy, whole(row.get("count"))))
    return tuple(found)


def _fit(path: Path) -> Fit | None:
    pairs = [(real(row.get("actual")), real(row.get("predicted"))) for row in csv_rows(path)]
    points = [(actual, predicted) for actual, predicted in pairs if actual is not None and predicted is not None]
    return Fit(tuple(points[:: len(points) // POINTS + 1]), len(points)) if points else None


def _gates(artifacts: Path) -> Gates | None:
    found = json_file(artifacts / "metrics/gates.json")
    gates = tuple(
        Gate(str(g.get("metric")), str(g.get("bound")), real(g.get("value")), g.get("passed") is True)
        for g in map(mapping, sequence(found.get("gates")))
        if g
    )
    return Gates(found.get("passed") is True and all(g.passed for g in gates), gates) if gates else None


def _robustness(artifacts: Path) -> Robustness | None:
    found = json_file(artifacts / "metrics/robustness.json")
    perturbations = {}
    for name, entry in mapping(found.get("perturbations")).items():
        agreement = real(mapping(entry).get("agreement"))
        if agreement is not None:
            perturbations[name] = (agreement, whole(mapping(entry).get("rows")))
    if not perturbations:
        return None
    return Robustness(found.get("passed") is True, real(found.get("min_agreement")), perturbations)
