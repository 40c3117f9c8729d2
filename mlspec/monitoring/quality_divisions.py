"""The slices whose quality is shown: which of them have an alarm, and why the others have none."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.monitoring.row_slices import DRIFT, QUALITY, few_values
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.sections.monitor_slice import LiveSlice, named_slices


def quality_slices(model: WatchedModel) -> tuple[str, Mapping[str, LiveSlice]]:
    """The key of the spec that declares slices, and these; without any, the category inputs with few values."""
    if declared := named_slices(model.options.quality.slices):
        return QUALITY, declared
    if model.drift_slices:
        return DRIFT, model.drift_slices
    return QUALITY, few_values(model.reference.columns, model.hashed | model.redacted)


def shown_slices(model: WatchedModel) -> dict[str, str]:
    """The slices that rows of the log can be divided by: name and expression."""
    _, slices = quality_slices(model)
    return {name: text for name, how in slices.items() if (text := model.rows.expression(name, how))}


def judged_slices(model: WatchedModel) -> dict[str, str]:
    """Those that have an alarm: name and expression."""
    _, slices = quality_slices(model)
    return {name: text for name, text in shown_slices(model).items() if not slices[name].of_answer_time}


def why_not_judged(model: WatchedModel) -> dict[str, str]:
    """Why a slice has no alarm, by its name."""
    _, slices = quality_slices(model)
    judged = judged_slices(model)
    return {name: _reason(model, name, how) for name, how in slices.items() if name not in judged}


def _reason(model: WatchedModel, name: str, how: LiveSlice) -> str:
    column = how.column or name
    if how.of_answer_time:
        return (
            "the test split has no time of an answer to compare a month with; the alarm of the version judges all of "
            "its rows, and can begin with each of them"
        )
    if column in model.redacted:
        return f"the log has no values of {column}, which is redacted"
    if column in model.hashed:
        return f"the log has only hashes of {column}, of which neither a month, a length nor a bin is known"
    return f"the log has no values of {column}"
