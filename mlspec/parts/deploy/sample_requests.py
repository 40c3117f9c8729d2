"""Rows of the test split as clients would send them: the requests of a rehearsed rollout."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from mlspec.records.schema import Schema

_MOST: Final = 500


def rows(artifacts: Path) -> list[Mapping[str, JsonValue]]:
    """Up to 500 rows, inputs only; none where the split is not here."""
    split, schema = artifacts / "data" / "test.parquet", Schema.find(artifacts)
    if not split.is_file() or schema is None:
        return []
    from pyarrow import parquet

    table = parquet.read_table(split, columns=list(schema.inputs)).slice(0, _MOST).to_pylist()
    return [{name: _plain(value) for name, value in row.items()} for row in table]


def _plain(value: JsonValue | bytes) -> JsonValue:
    """The value as JSON has it: an image as base64 of its file, NaN and infinity as null."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return None if isinstance(value, float) and not math.isfinite(value) else value
