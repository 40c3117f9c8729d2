"""Rows of the test split as callers would send them: what the rehearsal of a rollout is called with."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_MOST: Final = 500


def rows(artifacts: Path) -> list[Mapping[str, Any]]:
    """Up to 500 rows, inputs only; none where the split is not here."""
    split, described = artifacts / "data" / "test.parquet", artifacts / "data" / "schema.json"
    if not (split.is_file() and described.is_file()):
        return []
    from pyarrow import parquet

    inputs = list(json.loads(described.read_text(encoding="utf-8"))["inputs"])
    found = parquet.read_table(split, columns=inputs).slice(0, _MOST).to_pylist()
    return [{name: _plain(value) for name, value in row.items()} for row in found]


def _plain(value: Any) -> Any:
    """The value as JSON has it: an image as base64 of its file, what is no number as null."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return None if isinstance(value, float) and not math.isfinite(value) else value
