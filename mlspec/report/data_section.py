"""The profile of the data as the page shows it: splits, label shares, a row for each column."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from mlspec.records.decisions import Decision
from mlspec.report.charts import categories, histogram
from mlspec.report.formatting import count, number, plural, share
from mlspec.report.profile_view import ColumnView, ProfileView

LABELS = 20
"""Label shares shown before the rest is folded away."""


def view(found: ProfileView, decisions: Sequence[Decision] = ()) -> dict[str, object]:
    """What the data's section shows."""
    # The target of a classifier is told by its label shares.
    shown = [
        column for column in found.columns if column.edges or column.top or not found.shares or column.type == "image"
    ]
    total = sum(found.splits.values()) or 1.0
    shares = sorted(found.shares.items(), key=lambda item: -item[1])
    most = max(found.shares.values(), default=1.0) or 1.0
    return {
        "rows": plural(found.rows, "row"),
        "splits": [(name, count(n), 100 * n / total) for name, n in found.splits.items() if n],
        "shares": [(label, share(part), 100 * part / most) for label, part in shares],
        "folded": len(shares) > LABELS,
        "columns": [_row(column) for column in shown],
        "decisions": decisions,
        "any_missing": any(column.missing for column in shown),
    }


def _row(column: ColumnView) -> dict[str, object]:
    return {
        "name": column.name,
        "type": column.type,
        "missing": share(column.missing_share) if column.missing else "",
        "missing_part": 100 * column.missing_share,
        "chart": _chart(column),
        "facts": _facts(column),
    }


def _chart(column: ColumnView) -> Markup | None:
    if column.counts:
        return histogram(column.edges, column.counts)
    return categories(column.top, column.count) if column.top else None


def _facts(column: ColumnView) -> str:
    """The figures that tell most about a column of its type, on one line."""
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
