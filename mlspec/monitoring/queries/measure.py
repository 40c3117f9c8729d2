"""What is measured of the prediction log: counts, rates, percentiles, means, and numbers that `mlspec monitor` reports.

A measure names what it means; each renderer has the fields and functions of its language.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Statuses:
    """HTTP statuses from `low` to `high` inclusive, except `without`."""

    low: int
    high: int
    without: tuple[int, ...] = ()

    def __contains__(self, status: int) -> bool:
        return self.low <= status <= self.high and status not in self.without


class Counted(StrEnum):
    """What can be counted. A request has one record per row, or a single one if it was not answered."""

    REQUESTS = "requests"
    REFUSED = "refused"
    THROTTLED = "throttled"
    TIMEOUTS = "timeouts"
    FAILED = "failed"
    ERRORS = "errors"
    PREDICTIONS = "predictions"
    UNSURE = "unsure"
    MISSING = "missing"
    UNSEEN = "unseen"

    @property
    def statuses(self) -> tuple[Statuses, ...] | None:
        """The statuses of the counted requests; None if rows are counted."""
        return STATUSES.get(self)

    @property
    def whole(self) -> Counted:
        """What a share of this is a share of."""
        return Counted.PREDICTIONS if self.statuses is None else Counted.REQUESTS


UNROUTED: Final = (404, 405)
"""Statuses of requests for an unknown path or method: these are not requests for a prediction."""
STATUSES: Final[dict[Counted, tuple[Statuses, ...]]] = {
    Counted.REQUESTS: (Statuses(100, 599),),
    Counted.REFUSED: (Statuses(400, 499, (408, 429, 499)),),
    Counted.THROTTLED: (Statuses(429, 429), Statuses(503, 503)),
    Counted.TIMEOUTS: (Statuses(408, 408), Statuses(504, 504)),
    Counted.FAILED: (Statuses(500, 599, (503, 504)),),
    Counted.ERRORS: (Statuses(500, 599),),
}
"""Requests by their outcome, always without UNROUTED. 4xx are faults of the client, except 499: it disconnected."""

Quantity: TypeAlias = Literal["latency", "score", "value"]
"""A number of a record: the latency of a request in milliseconds, the confidence, or the predicted number of a row."""
Reported: TypeAlias = Literal[
    "drift_evidence", "drift_share", "quality", "quality_low", "quality_high", "quality_estimated",
    "quality_estimated_low", "quality_estimated_high", "quality_expected", "labelled_share",
    "measure", "measure_low", "measure_high", "measure_estimated", "measure_estimated_low", "measure_estimated_high",
    "slice_measure", "slice_measure_low", "slice_measure_high", "slice_measure_tested", "slice_measure_rows",
]  # fmt: skip
"""A number that `mlspec monitor` computes and reports: the server cannot know it."""
Unit: TypeAlias = Literal["count", "per_second", "fraction", "milliseconds", "number"]


@dataclass(frozen=True, slots=True)
class Count:
    """How many; per second of its time range if `per_second`."""

    counted: Counted
    per_second: bool = False

    @property
    def unit(self) -> Unit:
        """The unit of the result."""
        return "per_second" if self.per_second else "count"


@dataclass(frozen=True, slots=True)
class Rate:
    """The fraction that `part` is of `whole`; without a value if `whole` is 0: no traffic is not zero errors.

    `column` is the input that `missing` and `unseen` are about, if they are not grouped by column.
    """

    part: Counted
    whole: Counted
    column: str = ""

    @property
    def unit(self) -> Unit:
        """The unit of the result."""
        return "fraction"


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile of a quantity."""

    quantity: Quantity
    percent: int

    @property
    def unit(self) -> Unit:
        """The unit of the result."""
        return _UNITS[self.quantity]


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a quantity."""

    quantity: Quantity

    @property
    def unit(self) -> Unit:
        """The unit of the result."""
        return _UNITS[self.quantity]


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest value of a number that `mlspec monitor` reports.

    `unit`: a quality is a fraction of right labels, or an error in the unit of the target.
    """

    reported: Reported
    unit: Unit = "fraction"


_UNITS: Final[dict[Quantity, Unit]] = {"latency": "milliseconds", "score": "fraction", "value": "number"}
Measure: TypeAlias = Count | Rate | Percentile | Mean | Latest


def rate(part: Counted) -> Rate:
    """The rate of `part` among all requests, or among all predicted rows."""
    return Rate(part, part.whole)
