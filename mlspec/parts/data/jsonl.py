"""A file of JSON lines to rows; lines that hold no JSON object are noted, not fatal."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json

from mlspec.parts.data.encoding import decodable
from mlspec.parts.data.raw import Failure, Piece, Place
from mlspec.parts.data.spec import DataSpec


def read(data: DataSpec, file: Path, name: str) -> Piece:
    """The rows of one file. Raises StageError where it is not text."""
    decodable(file, name, data.format.encoding)
    text = file.read_text(encoding=data.format.encoding).removeprefix("\ufeff")
    table = _quick(data, text)
    if table is not None:
        return Piece(name, table, range(1, table.num_rows + 1))
    return _careful(name, text)


def _quick(data: DataSpec, text: str) -> pa.Table | None:
    """Arrow's own reader; None where a line is not like the others."""
    # Left to itself it makes timestamps of texts that look like dates.
    texts = [name for name, i in data.columns.items() if i.type in ("text", "category")]
    schema = pa.schema([(name, pa.string()) for name in texts])
    options = pyarrow.json.ParseOptions(explicit_schema=schema, newlines_in_values=False)
    raw = text.encode()
    try:
        table = pyarrow.json.read_json(
            io.BytesIO(raw), pyarrow.json.ReadOptions(block_size=max(len(raw), 1), use_threads=False), options
        )
    except pa.ArrowException:
        return None
    odd = any(pa.types.is_temporal(f.type) or pa.types.is_nested(f.type) for f in table.schema)
    # A name that no line has would come out as an empty column of the schema's.
    absent = any(table[name].null_count == table.num_rows for name in texts)
    return None if odd or absent else table


def _careful(name: str, text: str) -> Piece:
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    bad: dict[str, list[Place]] = {}
    filled = (line for line in text.split("\n") if line.strip())
    for number, line in enumerate(filled, start=1):
        found, wrong = _object(line)
        if found is None:
            bad.setdefault(wrong, []).append(Place(name, number, line.strip()))
        else:
            rows.append(found)
            numbers.append(number)
    names = list(dict.fromkeys(key for row in rows for key in row))
    table = pa.table({key: _column([row.get(key) for row in rows]) for key in names})
    return Piece(name, table, numbers, tuple(Failure("rows", what, places) for what, places in bad.items()))


def _object(line: str) -> tuple[dict[str, Any] | None, str]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None, "are not JSON"
    return (found, "") if isinstance(found, dict) else (None, "are not a JSON object")


def _column(values: list[Any]) -> pa.Array:
    """One column; values of several kinds all become text, so that those of the wrong kind can be told one by one."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values], pa.string())


def lines(data: DataSpec, file: Path) -> Iterator[int]:
    """The line that each row of the file is on, counted from 1."""
    with file.open(encoding=data.format.encoding, errors="replace", newline="\n") as opened:
        yield from (number for number, line in enumerate(opened, start=1) if line.strip())
