"""What `mlspec plan` says of drift detection: the budget of false alarms, and what can be seen within it."""

from __future__ import annotations

from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.spec.project import Project

_PREDICTIONS = 2
"""Columns that are compared beside the inputs: the score and the label, or the predicted value."""
_TEXT = 4
"""Columns of a text input: characters, words, unknown words, and the classifier."""
_OF_VALUES = 0.8
"""Weight of the position in the evidence of a number."""


def detectable_changes(project: Project) -> list[str]:
    """Two lines from the spec alone; none without `monitor.drift`, or without the packages of monitoring.

    `mlspec monitor power` takes the training data into account too.
    """
    monitor, data = project.get(Monitor), project.get(DataSpec)
    if monitor is None or monitor.drift is None or data is None:
        return []
    try:
        from mlspec.monitoring.drift.budget import drift_budget
        from mlspec.monitoring.drift.power import power_words
        from mlspec.monitoring.drift.streams import Stream
    except ModuleNotFoundError:
        return []
    drift, budget = monitor.drift, drift_budget(monitor.drift)
    kinds = [column.type for name, column in data.columns.items() if not drift.columns or name in drift.columns]
    columns = sum(_TEXT if kind == "text" else _PREDICTIONS if kind == "image" else 1 for kind in kinds)
    columns += _PREDICTIONS if data.task == "classification" else 1
    threshold = budget.rows * columns * (1 + len(drift.slices))
    promise, seen, *_ = power_words(Stream("", "value", 0.5, drift.tolerance, _OF_VALUES), threshold, budget)
    return [promise, f"{seen.replace(':', ',')} is detected in half of the cases; more: mlspec monitor power"]
