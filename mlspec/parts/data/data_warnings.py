"""Data that the spec allows but that is probably a mistake: one warning each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mlspec.parts.data.cell_values import alike, listed, shown
from mlspec.parts.data.date_text import DATE
from mlspec.sections.data import DataSpec

_SEVERAL = 100
"""Minimum rows for the warnings about rare labels and about a category that may be an identifier."""
_NEARLY = 0.9
"""Share of distinct values above which a category may be an identifier."""
_FEW = 5
"""Rows of a label below which a model is unlikely to learn it."""


def data_warnings(data: DataSpec, tables: Mapping[str, pa.Table], labels: Sequence[str]) -> Iterator[str]:
    """Labels that a split lacks, and columns that carry no information."""
    if data.target.type == "class":
        yield from _labels(data.target.column, tables, labels)
    elif tables["train"].num_rows > 1 and pc.count_distinct(tables["train"][data.target.column]).as_py() == 1:
        value = tables["train"][data.target.column][0].as_py()
        rows = f"all {tables['train'].num_rows} rows of train"
        yield f"`{data.target.column}` is {value:g} in {rows}: the model has nothing to learn"
    for name, spec in data.columns.items():
        if spec.type != "image" and tables["train"].num_rows > 1:
            yield from _column(name, spec.type, tables["train"][name])
            if data.target.type == "class":
                yield from _reveals(name, tables["train"][name], tables["train"][data.target.column], labels)


def _labels(column: str, tables: Mapping[str, pa.Table], labels: Sequence[str]) -> Iterator[str]:
    for split, table in tables.items():
        seen = set(pc.unique(table[column]).to_pylist()) if table.num_rows else set(range(len(labels)))
        missing = [shown(label) for index, label in enumerate(labels) if index not in seen]
        if missing:
            yield f"{split} has no row with the label {_named(missing)}"
    counts = {row["values"]: row["counts"] for row in pc.value_counts(tables["train"][column]).to_pylist()}
    rare = [shown(label) for index, label in enumerate(labels) if 0 < counts.get(index, 0) < _FEW]
    if rare and tables["train"].num_rows >= _SEVERAL:
        yield f"train has fewer than {_FEW} rows with the label {_named(rare)}"


def _named(labels: Sequence[str]) -> str:
    return ", ".join(labels[:5]) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")


def _column(name: str, kind: str, values: pa.ChunkedArray) -> Iterator[str]:
    different = pc.count_distinct(values, mode="only_valid").as_py()
    if different == 0:
        yield f"`{name}` is missing in every row of train"
    elif different == 1 and not values.null_count:
        yield f"`{name}` has a single value in train, so the model can learn nothing from it"
    elif kind == "number" and _counted(values):
        yield f"`{name}` has a different integer in each of {len(values)} rows of train: is it an identifier?"
    elif kind == "category" and _dates(values):
        unknown = "dates that do not occur in train are treated as unknown"
        yield f"`{name}` contains dates; {unknown}. Convert them to numbers first"
    elif kind == "category" and (twins := _twins(values)):
        yield f"`{name}` has values that differ only in case, spaces or invisible characters: {twins}"
    elif kind == "category" and len(values) >= _SEVERAL and different > _NEARLY * len(values):
        yield f"`{name}` has {different} values in {len(values)} rows of train: is it an identifier?"


def _reveals(name: str, values: pa.ChunkedArray, target: pa.ChunkedArray, labels: Sequence[str]) -> Iterator[str]:
    """A column that is filled in for some labels and missing for all others: the model reads the answer."""
    if len(values) < _SEVERAL or not 0 < values.null_count < len(values):
        return
    filled = set(pc.unique(target.filter(pc.is_valid(values))).to_pylist())
    if not filled & set(pc.unique(target.filter(pc.is_null(values))).to_pylist()):
        named = _named([shown(labels[index]) for index in sorted(filled)])
        yield f"`{name}` is filled in only where the label is {named}: is it known only after the label?"


def _counted(values: pa.ChunkedArray) -> bool:
    """Whether a number column has a different integer in each row, of a range with few gaps."""
    if len(values) < _SEVERAL or values.null_count or pc.count_distinct(values).as_py() < len(values):
        return False
    low, high = pc.min_max(values).as_py().values()
    return bool(high - low < 2 * len(values) and pc.all(pc.equal(values, pc.floor(values))).as_py())


def _twins(values: pa.ChunkedArray) -> str:
    """The first group of values that differ only in case, spaces or invisible characters."""
    groups: dict[str, list[str]] = {}
    for word in sorted(word for word in pc.unique(values).to_pylist() if word):
        groups.setdefault(alike(word), []).append(word)
    return next((listed(group) for group in groups.values() if len(group) > 1), "")


def _dates(values: pa.ChunkedArray) -> bool:
    known = values.drop_null()
    return len(known) > 1 and bool(pc.all(pc.match_substring_regex(known, DATE)).as_py())
