"""The folder `artifacts/` to frozen data: the results of each stage. A missing or damaged file is empty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlspec.records.attack_result import AttackResult, SuccessfulAttacks
from mlspec.records.bundle_provenance import file_digest
from mlspec.records.decisions import DataDecisions, Decision, TrainDecisions
from mlspec.records.evaluation import Evaluation
from mlspec.records.export import Export
from mlspec.records.gates import Gates
from mlspec.records.lineage import Lineage
from mlspec.records.robustness import RobustnessResult
from mlspec.records.schema import Schema
from mlspec.records.tracked_run import TrackedRun, runs_of, tracked_runs
from mlspec.records.training import Training
from mlspec.render.confusion_matrix import Confusion
from mlspec.report.examples import Example, examples
from mlspec.report.profile_view import ProfileView, profile
from mlspec.report.result_files import csv_rows, finite, whole
from mlspec.report.shipping_section import Shipped, shipped

POINTS = 2000
"""Points of the scatter plot; of more rows, every n-th is drawn."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One measured quantity over the epochs: `(epoch, value)` in the order of training."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The predictions of about one confidence, and how many of them were right."""

    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True, slots=True)
class Fit:
    """`plots/fit.csv`: predicted numbers against actual ones, `(actual, predicted)`; of many rows every n-th."""

    points: tuple[tuple[float, float], ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Results:
    """The results in `artifacts/`."""

    training: Training | None
    curves: tuple[Curve, ...]
    evaluation: Evaluation | None
    bins: tuple[CalibrationBin, ...]
    confusion: Confusion | None
    gates: Gates | None
    export: Export | None
    robustness: RobustnessResult | None
    attacks: AttackResult | None
    successful_attacks: SuccessfulAttacks | None
    profile: ProfileView | None
    mistakes: tuple[Example, ...]
    fit: Fit | None
    labels: tuple[str, ...]
    lineage: Lineage | None
    shipped: Shipped
    decisions: tuple[Decision, ...] = ()
    runs: tuple[TrackedRun, ...] = ()
    """The runs on MLflow servers that trained the model."""


def collect(artifacts: Path) -> Results:
    """The results in the folder."""
    schema, lineage = Schema.find(artifacts), Lineage.find(artifacts)
    labels = schema.labels if schema else ()
    return Results(
        training=Training.find(artifacts),
        curves=_curves(artifacts / "plots/train.csv"),
        evaluation=Evaluation.find(artifacts),
        bins=_bins(artifacts / "plots/calibration.csv"),
        confusion=_confusion(artifacts / "plots/confusion.csv", labels),
        gates=Gates.find(artifacts),
        export=Export.find(artifacts),
        robustness=RobustnessResult.find(artifacts),
        attacks=AttackResult.find(artifacts),
        successful_attacks=SuccessfulAttacks.find(artifacts),
        profile=profile(artifacts, labels),
        mistakes=examples(artifacts, tuple(schema.inputs if schema else ()), labels),
        fit=_fit(artifacts / "plots/fit.csv"),
        labels=labels,
        lineage=lineage,
        shipped=shipped(artifacts),
        decisions=tuple(_decisions(artifacts)),
        runs=tuple(runs_of(artifacts.parent, _checkpoint(artifacts, lineage))),
    )


def _checkpoint(artifacts: Path, lineage: Lineage | None) -> str | None:
    """The digest of the best checkpoint. Only read from the file, which may be large, if a run could have it."""
    checkpoint = artifacts / "model" / "best.ckpt"
    if lineage is not None or not checkpoint.is_file() or not tracked_runs(artifacts.parent):
        return lineage.checkpoint if lineage is not None else None
    return file_digest(checkpoint)


def _decisions(artifacts: Path) -> Iterator[Decision]:
    for record in (DataDecisions.find(artifacts), TrainDecisions.find(artifacts)):
        yield from record.decisions if record else ()


def _curves(path: Path) -> tuple[Curve, ...]:
    points: dict[str, list[tuple[float, float]]] = {}
    for index, row in enumerate(csv_rows(path)):
        epoch = finite(row.get("epoch"))
        for name, cell in row.items():
            value = finite(cell)
            if value is not None and name not in ("epoch", "step"):
                points.setdefault(name, []).append((index if epoch is None else epoch, value))
    return tuple(Curve(name, tuple(pairs)) for name, pairs in points.items())


def _confusion(path: Path, labels: tuple[str, ...]) -> Confusion | None:
    rows = [row for row in csv_rows(path) if {"actual", "predicted"} <= row.keys()]
    return Confusion.of(((row["actual"], row["predicted"]) for row in rows), labels)


def _bins(path: Path) -> tuple[CalibrationBin, ...]:
    bins = []
    for row in csv_rows(path):
        confidence, accuracy = finite(row.get("confidence")), finite(row.get("accuracy"))
        if confidence is not None and accuracy is not None:
            bins.append(CalibrationBin(confidence, accuracy, whole(row.get("count"))))
    return tuple(bins)


def _fit(path: Path) -> Fit | None:
    pairs = [(finite(row.get("actual")), finite(row.get("predicted"))) for row in csv_rows(path)]
    points = [(actual, predicted) for actual, predicted in pairs if actual is not None and predicted is not None]
    return Fit(tuple(points[:: len(points) // POINTS + 1]), len(points)) if points else None
