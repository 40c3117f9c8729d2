"""An alarm: what has changed, by how much, since when, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import NormalDist
from typing import Final, Literal, TypeAlias

from mlspec.monitoring.drift.arrays import JsonValue
from mlspec.monitoring.drift.column_reference import ColumnReference
from mlspec.monitoring.drift.mean_interval import Moments, mean_interval
from mlspec.monitoring.drift.streams import Stream
from mlspec.render.formatting import rounded

AlarmKind: TypeAlias = Literal["moved", "spread", "missing", "unseen", "category"]
Direction: TypeAlias = Literal["up", "down"]
EffectUnit: TypeAlias = Literal["sd", "ratio", "share"]
_KINDS: dict[str, AlarmKind] = {
    "value": "moved", "share": "moved", "spread": "spread", "missing": "missing", "unseen": "unseen",
    "category": "category",
}  # fmt: skip
INDEPENDENT_ROWS: Final = 100
"""So many rows after an alarm was raised, its size is measured on these alone."""
_MOST_SD: Final = 5.0
"""Larger shifts have the same positions in 0..1."""


@dataclass(frozen=True)
class Effect:
    """The size of a change with its interval, which is valid at every row at once."""

    size: float
    low: float
    high: float
    unit: EffectUnit
    rows: int = 0
    """The rows that it was measured on."""
    independent: bool = False
    """Whether these came after the alarm was raised, so that the choice of its start does not matter."""

    def basis(self) -> str:
        """Which rows the interval is from, and what that means."""
        if self.independent:
            return f"measured on the {self.rows:,} rows after the alarm was raised"
        return (
            f"measured on the {self.rows:,} rows since the estimated start, which the same rows chose: it may be too "
            f"large until {INDEPENDENT_ROWS} rows have arrived after the alarm"
        )

    def words(self) -> str:
        """`+0.31 sd (0.20 to 0.42)`; a share is that of the live data."""
        if self.unit == "share":
            return f"{self.size:.1%} ({self.low:.1%} to {self.high:.1%})"
        sign, unit = ("+", " sd") if self.unit == "sd" else ("", " times")
        form = f"{{:{sign}.2f}}"
        return f"{form.format(self.size)}{unit} ({form.format(self.low)} to {form.format(self.high)})"


@dataclass(frozen=True)
class RowGroup:
    """The rows that a detector sees: one version and one slice (`""` is all rows)."""

    version: str = ""
    slice: str = ""

    def words(self) -> str:
        """In brackets, where it is not all rows."""
        parts = [f"version {self.version}" if self.version else "", self.slice]
        return ", ".join(p for p in parts if p)


@dataclass(frozen=True)
class Alarm:
    """One column of one group has moved."""

    kind: AlarmKind
    column: str
    group: RowGroup
    evidence: float
    effect: Effect
    expected: float
    """Of a share: that of the reference."""
    direction: Direction
    since_row: int
    since_time: float
    row: int
    """The row that raised the alarm; the rows of a group are counted from 0."""
    time: float
    rows: int
    """Rows since the change."""
    sample: tuple[str, ...]
    """Ids of rows that show it, the newest last."""
    category: str = ""
    threshold: float = math.inf
    """The evidence that a column alone needs for an alarm."""
    ends_after: int = 0
    """The rows without new evidence after which it ends."""

    def end(self) -> str:
        """When the alarm ends."""
        return f"ends after {self.ends_after:,} more rows without new evidence"

    def words(self) -> str:
        """One sentence."""
        where = f" [{self.group.words()}]" if self.group.words() else ""
        since = f"since row {self.since_row:,} ({utc(self.since_time)})"
        evidence = evidence_words(self.evidence, self.threshold)
        return f"{column_title(self.column)} {self._change()}{where} {since}, {self.rows:,} rows; evidence {evidence}"

    def short(self) -> str:
        """The change and its group, without the evidence."""
        where = f" [{self.group.words()}]" if self.group.words() else ""
        return f"{self._change()}{where}"

    def _change(self) -> str:
        effect = self.effect.words()
        match self.kind:
            case "moved" if self.effect.unit == "sd":
                return f"moved {self.direction} by {effect}"
            case "moved" if self.column.startswith("domain."):
                return f"is distinguished from the training data in {effect} of pairs, expected {self.expected:.0%}"
            case "moved":
                return f"moved {self.direction} from {self.expected:.1%} to {effect}"
            case "spread":
                return (
                    f"is {'farther from' if self.direction == 'up' else 'nearer to'} the median of training: {effect}"
                )
            case "missing":
                return f"has missing values: {effect}, expected {self.expected:.1%}"
            case "unseen":
                return f"has unseen categories: {effect}, expected {self.expected:.1%}"
            case "category":
                return f"moved: `{self.category}` is {effect}, expected {self.expected:.1%}"

    def to_json(self) -> dict[str, JsonValue]:
        """For `--json` and notifications."""
        document: dict[str, JsonValue] = {
            "kind": self.kind, "column": self.column, "version": self.group.version, "slice": self.group.slice,
            "category": self.category, "evidence": self.evidence, "direction": self.direction,
            "effect": {"size": self.effect.size, "low": self.effect.low, "high": self.effect.high,
                       "unit": self.effect.unit, "rows": self.effect.rows, "basis": self.effect.basis()},
            "expected": self.expected, "threshold": self.threshold,
            "since": {"row": self.since_row, "time": utc(self.since_time)}, "row": self.row, "time": utc(self.time),
            "rows": self.rows, "ends_after": self.ends_after, "sample": list(self.sample),
        }  # fmt: skip
        return document


def column_title(column: str) -> str:
    """The name of a compared column for readers: `age`, `words of sentence`."""
    kind, dot, name = column.partition(".")
    if not dot:
        names = {"label": "predicted label", "value": "predicted value", "actual": "actual label"}
        return names.get(column, column)
    return {"input": name, "unseen": f"unknown words of {name}", "domain": f"wording of {name}"}.get(
        kind, f"{kind} of {name}"
    )


def utc(seconds: float) -> str:
    """Seconds since 1970 as a time in UTC; `unknown` for what is not a time."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "unknown"


def alarm_kind(stream: Stream) -> AlarmKind:
    """What an alarm of a stream says."""
    return _KINDS[stream.kind]


def effect(stream: Stream, column: ColumnReference, since: Moments, after: Moments | None) -> Effect:
    """The size of a change in units of its column, from the values of the stream since the change.

    `after` has those after the alarm was raised. The start was chosen by the values before, not by these: with enough
    of them the size is theirs, and its interval is valid.
    """
    independent = after is not None and bool(after.rows >= INDEPENDENT_ROWS)
    moments = after if after is not None and independent else since
    convert, unit = _scale(stream, column)
    low, high = mean_interval(moments)
    return Effect(convert(moments.mean), convert(low), convert(high), unit, int(moments.rows), independent)


def _scale(stream: Stream, column: ColumnReference) -> tuple[Callable[[float], float], EffectUnit]:
    """From the mean of a stream to the size of a change."""
    if stream.kind == "spread":
        return spread_ratio, "ratio"
    if stream.kind == "value" and column.kind == "number":
        return shift_in_sd, "sd"
    return float, "share"


def shift_in_sd(position: float) -> float:
    """The shift of a normal distribution, in standard deviations, whose values have this mean position."""
    shift = math.sqrt(2) * NormalDist().inv_cdf(min(max(position, 1e-9), 1 - 1e-9))
    return min(max(shift, -_MOST_SD), _MOST_SD)


def spread_ratio(spread: float) -> float:
    """The ratio of standard deviations of normal distributions whose positions have this mean of `4 (u - 1/2)^2`."""
    part = math.sin(math.pi * min(max(spread, 0.0), 0.999) / 2)
    return math.sqrt(part / max(1 - part, 1e-6))


def evidence_words(evidence: float, threshold: float | None) -> str:
    """`1,240,000 (an alarm needs 270,000)`. `threshold` is that of a column alone: of several each needs less."""
    shown = rounded(evidence)
    if threshold is None or not math.isfinite(threshold):
        return shown
    if evidence >= threshold:
        return f"{shown} (an alarm needs {threshold:,.0f})"
    return f"{shown} (one column alone needs {threshold:,.0f}, each of two that change at once {threshold / 2:,.0f})"


def threshold_words(threshold: float) -> str:
    """What an alarm needs."""
    return (
        f"An alarm needs an evidence of {threshold:,.0f} in one column, or of {threshold / 2:,.0f} in each of two, "
        f"{threshold / 3:,.0f} in each of three, and so on."
    )
