"""Options of `monitor.drift`: how often an alarm may be false, and what counts as a change."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from mlspec.sections.monitor_slice import Slices
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Rate, rate_parts

DAY = 86_400
FIRST_TRAFFIC: Rate = "1000 per 1d"
"""The traffic that is expected before any is observed."""
_LOOKS = "each row counts once, however often `mlspec monitor` runs; remove the key"


class Drift(SpecModel):
    """Drift detection: live data is compared with the training data, within a budget of false alarms."""

    REMOVED_KEYS: ClassVar[Mapping[str, str]] = {
        "window": _LOOKS,
        "schedule": _LOOKS,
        "min_rows": "the evidence of an alarm includes the number of rows; remove the key",
        "threshold": "state how often an alarm may be false (`false_alarms: 1 per 90d`), and the largest change "
        "that raises no alarm (`tolerance: 0.02`); thresholds follow from these",
    }

    false_alarms: Rate = Field(
        "1 per 90d",
        description="How often an alarm may be raised on data that does not change, for all columns together",
        examples=["1 per 90d", "2 per 52w"],
    )
    tolerance: float = Field(
        0.015,
        gt=0,
        lt=0.5,
        description="Largest change that raises no alarm: of the share of missing values, unseen values or a category, "
        "or of the mean rank of a value in the training data (0.015 is a shift by 0.05 standard deviations)",
    )
    traffic: Rate | None = Field(
        None,
        description=f"Expected number of rows; default: as observed, and {FIRST_TRAFFIC} at first",
        examples=["1000 per 1d", "50 per 1h"],
    )
    columns: list[str] = Field([], description="Inputs to compare; default: all", examples=[["age", "town"]])
    slices: Slices = Field(
        [],
        description="Inputs to slice by, or slices by name, whose rows are compared one by one, too: with the rows of "
        "the training data that are in the same slice",
        examples=[["town"], {"length": {"column": "sentence", "by": "length", "bins": [20, 40]}}],
    )

    def rows_per_day(self) -> float:
        """The expected traffic."""
        rows, seconds = rate_parts(self.traffic or FIRST_TRAFFIC)
        return rows * DAY / seconds

    def rows_per_false_alarm(self) -> float:
        """The budget at the expected traffic: the mean number of rows between two false alarms."""
        alarms, seconds = rate_parts(self.false_alarms)
        return self.rows_per_day() * seconds / DAY / alarms
