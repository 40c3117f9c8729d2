"""Checks of `monitor.on_drift: retrain`: a training on labelled predictions needs their values, and a folder. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor

_AT: Final = ("monitor", "on_drift")


def check(monitor: Monitor, data: DataSpec) -> Iterator[Finding]:
    """A training that could never begin."""
    if monitor.on_drift != "retrain":
        return
    if data.collected is None:
        message = "labelled predictions cannot join the training data: `data.collected` is not set"
        yield Finding("rows-not-collected", _AT, message, "add to `data`: collected: data/collected")
    hidden = [name for name, stored in monitor.storage(data.columns).items() if stored != "full"]
    if hidden:
        message = f"the prediction log does not have the values of {', '.join(hidden)}, so no model can train on them"
        help = "set monitor.log.inputs: full, without these columns in monitor.log.columns"
        yield Finding("rows-not-collected", _AT, message, help)
