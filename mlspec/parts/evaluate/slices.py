"""Rows to named slices. Light: values are plain lists."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from mlspec.sections.evaluate import Slice
from mlspec.sections.slice_bins import names_of_bins
from mlspec.spec.names import suggest

MISSING = "(missing)"


def unknown(cuts: Mapping[str, Slice], columns: Sequence[str]) -> tuple[str, str] | None:
    """Message and help for a slice by a column that the data lacks; None if all exist. The stages `data` and `train`
    check this too, so that a wrong name is reported before training."""
    needed = (how.column or name for name, how in cuts.items())
    missing = next((column for column in needed if column not in columns), None)
    if missing is None:
        return None
    message = f"evaluate.slices: the data has no column `{missing}`"
    return message, suggest(missing, columns, "the columns are")


def cut(values: Sequence[object], how: Slice) -> dict[str, list[int]]:
    """Row numbers by slice: bins in order, or values, the most frequent first. Raises ValueError for a wrong type."""
    groups: dict[str, list[int]] = {name: [] for name in names_of_bins(how.bins)}
    for row, value in enumerate(values):
        groups.setdefault(_name(value, how), []).append(row)
    large = {name: rows for name, rows in groups.items() if len(rows) >= how.min_rows}
    if how.bins:
        return large
    return dict(sorted(large.items(), key=lambda item: (-len(item[1]), item[0]))[: how.top])


def _name(value: object, how: Slice) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if how.by == "length":
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is not text and has no length")
        value = len(value)
    if not how.bins:
        return f"{value:g}" if isinstance(value, float) else str(value)
    if not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a number and has no bin")
    return names_of_bins(how.bins)[bisect_right(how.bins, value)]
