"""Rows to slices, and what slices are called. Light: values come as plain lists."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise

from mlspec.sections.evaluate import Slice
from mlspec.spec.names import suggest

MISSING = "(missing)"


def names_of_bins(edges: Sequence[float]) -> list[str]:
    """`<10`, `10..20`, `>=20`: each bin holds its lower edge. Empty where there are no edges."""
    if not edges:
        return []
    between = [f"{low:g}..{high:g}" for low, high in pairwise(edges)]
    return [f"<{edges[0]:g}", *between, f">={edges[-1]:g}"]


def unknown(cuts: Mapping[str, Slice], columns: Sequence[str]) -> tuple[str, str] | None:
    """What to say of a slice by a column that the data does not have, and the way on. `data` and `train` ask before
    `evaluate` does: a wrong name is not worth a training."""
    wanted = (how.column or name for name, how in cuts.items())
    missing = next((column for column in wanted if column not in columns), None)
    if missing is None:
        return None
    message = f"evaluate.slices: the data has no column `{missing}`"
    return message, suggest(missing, columns, "the columns are")


def cut(values: Sequence[object], how: Slice) -> dict[str, list[int]]:
    """Row numbers by slice: bins in their order, or values, the most frequent first. Raises ValueError."""
    found: dict[str, list[int]] = {name: [] for name in names_of_bins(how.bins)}
    for row, value in enumerate(values):
        found.setdefault(_name(value, how), []).append(row)
    kept = {name: rows for name, rows in found.items() if len(rows) >= how.min_rows}
    if how.bins:
        return kept
    return dict(sorted(kept.items(), key=lambda item: (-len(item[1]), item[0]))[: how.top])


def _name(value: object, how: Slice) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if how.by == "length":
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no text, and has no length")
        value = len(value)
    if not how.bins:
        return f"{value:g}" if isinstance(value, float) else str(value)
    if not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number, and is in no bin")
    return names_of_bins(how.bins)[bisect_right(how.bins, value)]
