"""The time by which predictions are deleted: it follows the clock of this machine, but no jump of it at once.

A clock that is wrong for an hour may say that all predictions are too old. So the time of an earlier run has to confirm
it: a jump counts once it has lasted for a day.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.job import write_text

FILE: Final = "retention.json"
_LASTED: Final = timedelta(days=1)
"""A run of this age confirms the clock."""
_BEYOND: Final = timedelta(days=2)
"""How far the time may be after the run that confirms it: with a run every day it is the clock."""


class ConfirmedRuns(BaseModel):
    """The state file: `confirmed` is a run that is at least a day old, `newest` one that is younger."""

    model_config = ConfigDict(frozen=True)

    newest: datetime
    confirmed: datetime | None = None


def retention_time(state: Path, now: datetime) -> datetime | None:
    """The time by which predictions are deleted, saved for the next run; None before any run confirms the clock."""
    path = state / FILE
    try:
        runs = ConfirmedRuns.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        runs = ConfirmedRuns(newest=now)
    newest = min(runs.newest, now)  # the clock was ahead, or is set back
    confirmed = min(runs.confirmed, now) if runs.confirmed is not None else None
    if now - newest >= _LASTED:
        newest, confirmed = now, newest
    state.mkdir(parents=True, exist_ok=True)
    write_text(path, ConfirmedRuns(newest=newest, confirmed=confirmed).model_dump_json() + "\n")
    return min(now, confirmed + _BEYOND) if confirmed is not None else None
