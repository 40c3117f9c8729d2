"""Rows without a target: left out with `data.target.missing: drop`; otherwise the conversion reports them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlspec.errors import StageError
from mlspec.parts.data.missing_values import words
from mlspec.parts.data.raw_rows import Raw
from mlspec.sections.data import DataSpec


@dataclass(frozen=True, slots=True)
class UsedRows:
    """The rows that are used, and how many were left out because they have no target."""

    raw: Raw
    dropped: int = 0


def labelled(data: DataSpec, raw: Raw) -> UsedRows:
    """The rows that have a target, or all rows without `data.target.missing: drop`.

    Raises StageError if none has one. A word such as `n/a` in a column of classes may be a label: it is missing only if
    `data.format.nulls` lists it.
    """
    if data.target.missing != "drop":
        return UsedRows(raw)
    column = data.target.column
    texts = words(data, column)
    if data.target.type == "class" and data.format.nulls is None:
        texts &= {""}
    kept = [row for row, value in enumerate(raw.table[column].to_pylist()) if not _absent(value, texts)]
    if not kept:
        raise StageError(
            f"`{column}` is missing in every row, so `data.target.missing: drop` leaves none",
            help="set data.target.column to a column that has values",
        )
    dropped = raw.table.num_rows - len(kept)
    return UsedRows(raw.only(kept), dropped) if dropped else UsedRows(raw)


def _absent(value: object, texts: frozenset[str]) -> bool:
    if isinstance(value, str):
        return value in texts or value.strip() in texts
    return value is None or (isinstance(value, float) and math.isnan(value))
