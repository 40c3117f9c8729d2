"""The texts of a column that are read as missing values, and the setting that lists them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from mlspec.sections.data import MAYBE, NULLS, DataSpec


def words(data: DataSpec, column: str) -> frozenset[str]:
    """The texts that are read as missing in that column; a declared label never is.

    Without `data.format.nulls` only the empty text is missing in a category: `NA` may be a value there, so that the
    stage stops and asks for the setting.
    """
    declared = data.format.nulls
    kind = data.columns[column].type if column in data.columns else ""
    if kind == "text":
        return frozenset({""})
    usual: Sequence[str] = NULLS if data.written_as in ("csv", "tsv") or kind == "number" else ()
    if column == data.target.column and data.target.type == "class" and data.written_as in ("csv", "tsv"):
        usual = MAYBE
    every = {"", *(declared if declared is not None else () if kind == "category" else usual)}
    if column == data.target.column and data.target.type == "class":
        every -= {*data.target.names, *data.target.meanings}
    return frozenset(every)


WITHOUT_TARGET = "to leave out the rows without a target: `data: {target: {missing: drop}}`"
"""The help about rows whose target is missing."""


def nulls_edit(words: Iterable[str]) -> str:
    """The edit of the spec with which exactly `words` are read as missing."""
    quoted = ", ".join(json.dumps(word, ensure_ascii=False) for word in words)
    return f"`data: {{format: {{nulls: [{quoted}]}}}}`"
