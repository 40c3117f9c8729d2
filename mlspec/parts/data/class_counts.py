"""Data with a single class: refused with the counts, because a classifier cannot be trained on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mlspec.errors import StageError
from mlspec.parts.data.cell_values import shown
from mlspec.sections.data import DataSpec

_HELP = "a classifier needs rows of at least two labels"


def several(data: DataSpec, tables: Mapping[str, pa.Table], labels: Sequence[str]) -> None:
    """Raise StageError if all rows, or all rows of train, have the same label.

    `tables` hold the target as positions in `labels`.
    """
    if data.target.type != "class":
        return
    column = data.target.column
    rows = sum(table.num_rows for table in tables.values())
    counts = _counts(list(tables.values()), column)
    if len(counts) < 2:
        only = labels[next(iter(counts))] if counts else ""
        others = f" (declared: {', '.join(labels[:10])})" if len(labels) > 1 else ""
        message = f"`{column}` has 1 class: all {rows} rows have the label {shown(only)}{others}"
        raise StageError(message, help=f"{_HELP}; see data.source{_folders(data)}")
    train = _counts([tables["train"]], column)
    if len(train) < 2 and tables["train"].num_rows:
        only = labels[next(iter(train))]
        message = (
            f"train has 1 of {len(counts)} classes: all of its {sum(train.values())} rows have the label {shown(only)}"
        )
        raise StageError(message, help=f"{_HELP} in train; see data.split")


def _folders(data: DataSpec) -> str:
    """The help for an image folder, where the label of an image is the name of its folder."""
    return (
        " (the label of an image is the name of its folder: set data.source to the parent folder of these folders)"
        if data.written_as == "images"
        else ""
    )


def _counts(tables: Sequence[pa.Table], column: str) -> dict[int, int]:
    """The number of rows of each label that occurs."""
    counts: dict[int, int] = {}
    for table in tables:
        for entry in pc.value_counts(table[column]).to_pylist():
            if entry["values"] is not None:
                counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
    return counts
