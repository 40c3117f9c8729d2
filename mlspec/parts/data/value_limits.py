"""Values that preprocessing would refuse in training and serving: reported here with their file and line."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from mlspec.parts.data.raw_rows import Failure, Raw
from mlspec.runtime.preprocess.base import MAX_CHARACTERS
from mlspec.sections.column_names import LONGEST_VALUE
from mlspec.sections.data import DataSpec

LARGEST_TARGET = 3e38
"""Targets are float32 in training; a larger one would be infinite."""


def beyond(data: DataSpec, raw: Raw) -> list[Failure]:
    """Failures for texts and categories that are too long and targets that are too large. The rows are typed."""
    failures: list[Failure] = []
    for name, spec in data.columns.items():
        if spec.type in ("text", "category") and pa.types.is_string(raw.table[name].type):
            most = MAX_CHARACTERS if spec.type == "text" else LONGEST_VALUE
            counts = pc.fill_null(pc.utf8_length(raw.table[name]), 0)
            rows = pc.indices_nonzero(pc.greater(counts, most)).to_pylist()
            longest = pc.max(counts).as_py() if rows else 0
            what = f"is longer than {most:,} characters (maximum in the data: {longest:,})"
            text = f"for long texts use the type text: `data: {{inputs: {{{json.dumps(name)}: text}}}}`"
            failures += raw.failure(name, what, rows, help=text if spec.type == "category" else "")
    if data.target.type == "number":
        target = data.target.column
        rows = pc.indices_nonzero(
            pc.fill_null(pc.greater(pc.abs(raw.table[target]), LARGEST_TARGET), False)
        ).to_pylist()
        failures += raw.failure(target, f"is larger than {LARGEST_TARGET:g}, the float32 limit", rows)
    return failures
