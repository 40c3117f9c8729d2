"""Which falls of the quality raise an alarm, and after how many labelled rows: of all rows, and of each slice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mlspec.monitoring.drift.budget import duration_words
from mlspec.monitoring.quality.risk_alarm import RiskMonitor
from mlspec.monitoring.quality_divisions import judged_slices
from mlspec.monitoring.quality_losses import error_scale
from mlspec.monitoring.quality_state import new_risk_monitor, rows_per_day, test_losses
from mlspec.monitoring.slice_detectors import FIRST_ROWS, new_slice_monitor
from mlspec.monitoring.slice_quality import slice_notes
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.render.formatting import metric_value, number, share

_RISES: Final = (0.1, 0.2, 0.4)
"""Rises of the loss that `monitor power` is asked about."""
_DAYS: Final = 7
"""Of which `mlspec plan` speaks."""


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """The rows of one detector: all of a version, or a slice with its share of the rows of the test split."""

    name: str
    share: float
    rows: int
    """On the test split."""
    error: float
    """Their share of wrong labels, or mean absolute error."""
    monitor: RiskMonitor

    def smallest_rise(self, rows: float) -> float:
        """The smallest rise of the loss that is about to raise an alarm after so many labelled rows of all; infinite if
        none does."""
        before, inside = self.monitor.source.mean, rows * self.share
        if self.monitor.rows_until(1.0) > inside:
            return math.inf
        low, high = before, 1.0
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (low, middle) if self.monitor.rows_until(middle) <= inside else (middle, high)
        return high - before


def judged_rows(model: WatchedModel) -> Iterator[JudgedRows]:
    """All rows, then each slice that has rows of the test split to compare with."""
    losses = test_losses(model)
    if not len(losses):
        return
    values = model.reference.values
    whole = float(losses.mean()) if values is None else values.error.mean
    yield JudgedRows("", 1.0, len(losses), whole, new_risk_monitor(model))
    for name in judged_slices(model):
        for value, grid in model.reference.slice_errors.get(name, {}).items():
            if (monitor := new_slice_monitor(model, "", name, value)) is not None:
                yield JudgedRows(f"{name}={value}", grid.count / len(losses), grid.count, grid.mean, monitor)


def power_lines(model: WatchedModel) -> Iterator[str]:
    """For each detector: the loss on the test split, and after how many labelled rows a rise of it raises an alarm."""
    for each in judged_rows(model):
        source, answers = each.monitor.source, []
        for rise in _RISES:
            rows = each.monitor.rows_until(min(source.mean + rise, 1.0))
            after = f"about {rows:,.0f} rows" if math.isfinite(rows) else "never"
            answers.append(f"+{_form(model, rise)} {after}")
        error = share(each.error) if model.signature.labels else number(each.error)
        loss = f"{_loss(model)} {error} on {each.rows:,} rows of the test split"
        yield f"{each.name or 'all rows'} ({loss}): {', '.join(answers)}"


def power_notes(model: WatchedModel) -> Iterator[str]:
    """What has no alarm, or not at once."""
    lacking = [name for name in judged_slices(model) if not model.reference.slice_errors.get(name)]
    if judged_slices(model):
        which = f"{', '.join(lacking)}, and a" if lacking else "a"
        yield (
            f"{which} value with too few rows in the test split is compared with its own first {FIRST_ROWS} labelled "
            "rows: a later fall is found, and not one that was there from the first row on"
        )
    yield from slice_notes(model)


def quality_in_a_week(model: WatchedModel) -> Iterator[str]:
    """The smallest fall that is seen in a week: of all rows, and of the slice in which it takes most rows."""
    judged = list(judged_rows(model))
    if not judged:
        return
    rows = rows_per_day(model) * _DAYS
    whole, *slices = judged
    labelled = f"{rows:,.0f} labelled rows ({duration_words(_DAYS)} if every prediction gets a label)"
    what = "fall of the accuracy" if model.signature.labels else "rise of the mean absolute error"
    yield f"in {labelled}: {_seen(model, what, whole.smallest_rise(rows))} raises an alarm"
    if slices:
        worst = max(slices, key=lambda each: each.smallest_rise(rows))
        smallest = _seen(model, "fall" if model.signature.labels else "rise", worst.smallest_rise(rows))
        of = "the one slice" if len(slices) == 1 else f"the {len(slices):,} slices the worst seen"
        yield f"in the same time, of {of}: {smallest} in {worst.name} ({share(worst.share)} of the rows)"


def _seen(model: WatchedModel, what: str, rise: float) -> str:
    by = metric_value(rise) if model.signature.labels else _form(model, rise)
    return f"a {what} by {by} or more" if math.isfinite(rise) else f"no {what}"


def _loss(model: WatchedModel) -> str:
    return "errors" if model.signature.labels else "mean absolute error"


def _form(model: WatchedModel, loss: float) -> str:
    """A share of wrong labels, or a mean absolute error."""
    if model.signature.labels:
        return share(loss)
    return number(loss * error_scale(model.reference))
