"""What `mlspec plan` says of monitoring: the budgets of false alarms, and which changes can be seen within them."""

from __future__ import annotations

from pathlib import Path

from mlspec.records.bundle_signature import BundleSignature
from mlspec.records.profile import Profile
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.spec.project import Project

_PREDICTIONS = 2
"""Columns that are compared beside the inputs: the score and the label, or the predicted value."""
_TEXT = 4
"""Columns of a text input: characters, words, unknown words, and the classifier."""
_OF_VALUES = 0.8
"""Weight of the position in the evidence of a number."""
_VARIANCE = 1 / 12
"""Of the position of a number among those of the training data."""


def detectable_changes(project: Project, artifacts: Path) -> list[str]:
    """Of drift two lines, and of the quality two more once `mlspec monitor` has stored what it compares with; one
    without the packages of monitoring."""
    monitor = project.get(Monitor)
    if monitor is None:
        return []
    try:
        return [*_drift(project, monitor, artifacts), *_quality(project, artifacts)]
    except ModuleNotFoundError as error:
        return [
            f"what can be seen at this traffic is not computed: the package {error.name} is missing; "
            "pip install 'mlspec[monitor]'"
        ]


def _quality(project: Project, artifacts: Path) -> list[str]:
    """Nothing is computed of the data for it."""
    if BundleSignature.find(artifacts) is None:
        return []
    from mlspec.monitoring.quality_power import quality_in_a_week
    from mlspec.monitoring.watched_model import watched_model, with_stored_reference

    model = with_stored_reference(watched_model(project, artifacts.parent))
    if model is None:
        return ["which fall of the quality is detected is known after the next `mlspec monitor`"]
    return [*quality_in_a_week(model)]


def _drift(project: Project, monitor: Monitor, artifacts: Path) -> list[str]:
    """A small training set is noisy, which hides small changes; it counts as large until its rows are known."""
    data = project.get(DataSpec)
    if monitor.drift is None or data is None:
        return []
    from mlspec.monitoring.drift.budget import drift_budget
    from mlspec.monitoring.drift.power import power_words
    from mlspec.monitoring.drift.streams import REFERENCE_ERRORS, Stream

    drift, budget = monitor.drift, drift_budget(monitor.drift)
    kinds = [column.type for name, column in data.columns.items() if not drift.columns or name in drift.columns]
    columns = sum(_TEXT if kind == "text" else _PREDICTIONS if kind == "image" else 1 for kind in kinds)
    columns += _PREDICTIONS if data.task == "classification" else 1
    threshold = budget.rows * columns * (1 + len(drift.slices))
    rows = _training_rows(artifacts)
    tolerance = max(drift.tolerance, REFERENCE_ERRORS * (_VARIANCE / rows) ** 0.5 if rows else 0.0)
    promise, seen, *_ = power_words(Stream("", "value", 0.5, tolerance, _OF_VALUES), threshold, budget)
    given = "" if rows else ", if the training data is large"
    return [promise, f"{seen.replace(':', ',')} is detected in half of the cases{given}; more: mlspec monitor power"]


def _training_rows(artifacts: Path) -> int:
    """The rows of the training split; 0 before the data is prepared."""
    profile = Profile.find(artifacts)
    return profile.splits.get("train", 0) if profile else 0
