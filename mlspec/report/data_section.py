"""The profile of the data as a section: splits, label shares, a row for each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mlspec.records.decisions import Decision
from mlspec.render.formatting import count, number, plural, share
from mlspec.report.charts import categories, histogram
from mlspec.report.profile_view import ColumnView, ProfileView

LABELS = 20
"""Label shares shown before the rest is folded away."""


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """One column: `missing` is a text, `missing_part` the same in percent."""

    name: str
    type: str
    missing: str
    missing_part: float
    chart: Markup | None
    facts: str


@dataclass(frozen=True, slots=True)
class DataView:
    """The section's content. `splits` and `shares` are name, text and percentage."""

    rows: str
    splits: tuple[tuple[str, str, float], ...]
    shares: tuple[tuple[str, str, float], ...]
    folded: bool
    columns: tuple[ColumnRow, ...]
    decisions: Sequence[Decision]
    any_missing: bool


def view(profile: ProfileView, decisions: Sequence[Decision] = ()) -> DataView:
    """The section's content."""
    # The label shares describe the target of a classifier.
    columns = [c for c in profile.columns if c.edges or c.top or not profile.shares or c.type == "image"]
    total = sum(profile.splits.values()) or 1.0
    shares = sorted(profile.shares.items(), key=lambda item: -item[1])
    largest = max(profile.shares.values(), default=1.0) or 1.0
    return DataView(
        rows=plural(profile.rows, "row"),
        splits=tuple((name, count(n), 100 * n / total) for name, n in profile.splits.items() if n),
        shares=tuple((label, share(part), 100 * part / largest) for label, part in shares),
        folded=len(shares) > LABELS,
        columns=tuple(map(_row, columns)),
        decisions=decisions,
        any_missing=any(column.missing for column in columns),
    )


def _row(column: ColumnView) -> ColumnRow:
    return ColumnRow(
        name=column.name,
        type=column.type,
        missing=share(column.missing_share) if column.missing else "",
        missing_part=100 * column.missing_share,
        chart=_chart(column),
        facts=_facts(column),
    )


def _chart(column: ColumnView) -> Markup | None:
    if column.counts:
        return histogram(column.edges, column.counts)
    return categories(column.top, column.count) if column.top else None


def _facts(column: ColumnView) -> str:
    """The figures that describe a column of its type best, in one line."""
    facts = column.facts or {}
    if column.type == "image":
        size = " × ".join(number(facts[key]) for key in ("width", "height") if key in facts)
        channels = plural(int(facts["channels"]), "channel") if "channels" in facts else ""
        return ", ".join(part for part in (size, channels, _spread(facts.get("mean"), facts.get("std"))) if part)
    if column.top:
        values = plural(int(facts.get("unique", len(column.top))), "value")
        first, n = column.top[0]
        return f"{values}; most often {first} ({share(n / column.count)})" if column.count else values
    middle = facts.get("q0.5")
    parts = [
        f"{number(facts['min'])} to {number(facts['max'])}" if {"min", "max"} <= facts.keys() else "",
        f"median {number(middle)}" if middle is not None else _spread(facts.get("mean"), facts.get("std")),
    ]
    text = ", ".join(part for part in parts if part)
    return f"{text} characters" if text and column.type == "text" else text


def _spread(mean: float | None, std: float | None) -> str:
    if mean is None:
        return ""
    return f"mean {number(mean)}" + (f" ± {number(std)}" if std is not None else "")
