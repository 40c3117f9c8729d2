"""JSON lines of predictions to an Arrow table with flat columns. Lines that are not predictions are counted."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from mlspec.monitoring.log_columns import COMMON, LogColumns, SqlType

_Object: TypeAlias = dict[str, object]
ARROW: Final[dict[SqlType, pa.DataType]] = {
    "UUID": pa.string(),
    "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
    "VARCHAR": pa.string(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
}
"""Types of the table; an id stays text until the Parquet file is written."""
_ID: Final = re.compile(r"[0-9a-f]{32}")
_GROUPS: Final = (("lengths", ("characters", "words")), ("images", ("mean", "contrast")))
_LARGEST_INTEGER: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ParsedLines:
    """Predictions as a table, and how many lines were none."""

    table: pa.Table
    corrupt: int


def parse_lines(lines: Iterable[bytes], columns: LogColumns) -> ParsedLines:
    """The predictions in `lines`. An empty line is neither a prediction nor corrupt."""
    records: list[_Object] = []
    corrupt = 0
    for line in lines:
        text = line.strip(b"\0 \r\n\t")
        record = _record(text) if text else None
        if record is not None:
            records.append(record)
        elif text:
            corrupt += 1
    return ParsedLines(_table(records, columns), corrupt)


class LineIdentity(NamedTuple):
    """Which prediction a line is about."""

    id: str
    time: datetime


def identity(line: bytes) -> LineIdentity | None:
    """The id and the time of a line; None if it is not a prediction."""
    record = _record(line)
    return LineIdentity(str(record["id"]), _time(record)) if record is not None else None


def _time(record: _Object) -> datetime:
    moment = record["time"]
    assert isinstance(moment, datetime)
    return moment


def days_of(table: pa.Table) -> set[date]:
    """The days of the predictions in a table, in UTC."""
    return set(pc.unique(_days(table)).to_pylist())


def rows_of(table: pa.Table, day: date) -> pa.Table:
    """The predictions of one day."""
    return table.filter(pc.equal(_days(table), pa.scalar(day, pa.date32())))


def _days(table: pa.Table) -> pa.ChunkedArray:
    return pc.cast(table["time"], pa.date32(), safe=False)


def _record(text: bytes) -> _Object | None:
    """A prediction with `time` as a datetime in UTC; None if the line is damaged."""
    try:
        record = json.loads(text)
        moment = datetime.fromisoformat(record["time"])
        record["time"] = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        valid = _ID.fullmatch(record["id"]) and isinstance(record["outcome"], str)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return record if valid else None


def _table(records: Sequence[_Object], columns: LogColumns) -> pa.Table:
    arrays: dict[str, pa.Array] = {}
    for name, kind in COMMON.items():
        arrays[name] = _array([record.get(name) for record in records], kind)
    for name, values in _spread([_object(record.get("inputs")) for record in records]):
        arrays[f"input.{name}"] = _input(values, columns.types.get(f"input.{name}"))
    for group, measures in _GROUPS:
        for name, values in _spread([_object(record.get(group)) for record in records]):
            objects = [_object(value) for value in values]
            for measure in measures:
                arrays[f"{measure}.{name}"] = _array([o.get(measure) for o in objects], "DOUBLE")
    return pa.table(arrays | _predictions([_object(record.get("prediction")) for record in records]))


def _predictions(objects: Sequence[_Object]) -> dict[str, pa.Array]:
    types: dict[str, SqlType] = {"label": "VARCHAR", "score": "DOUBLE", "value": "DOUBLE"}
    arrays = {n: _array([o.get(n) for o in objects], t) for n, t in types.items() if any(n in o for o in objects)}
    spread = _spread([_object(o.get("probabilities")) for o in objects])
    return arrays | {f"probability.{name}": _array(values, "DOUBLE") for name, values in spread}


def _spread(objects: Sequence[_Object]) -> list[tuple[str, list[object]]]:
    """The values of each key that any object has."""
    names = dict.fromkeys(name for o in objects for name in o)
    return [(name, [o.get(name) for o in objects]) for name in names]


def _object(value: object) -> _Object:
    return value if isinstance(value, dict) else {}


def _input(values: Sequence[object], expected: SqlType | None) -> pa.Array:
    """Numbers as numbers; values of another version that are none, or of a text column, as text."""
    numbers = expected != "VARCHAR" and all(v is None or isinstance(v, int | float) for v in values)
    empty = expected is None and not any(v is not None for v in values)
    return _array(values, "DOUBLE" if numbers and not empty else "VARCHAR")


def _array(values: Sequence[object], kind: SqlType) -> pa.Array:
    convert = _CONVERT[kind]
    converted = [None if value is None else convert(value) for value in values]
    try:
        return pa.array(converted, ARROW[kind])
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold and UTF-8 cannot
        texts = [None if value is None else _text(value).encode("utf-8", "replace").decode() for value in values]
        return pa.array(texts, ARROW[kind])


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _integer(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and abs(number) <= _LARGEST_INTEGER else None


_CONVERT: Final[dict[SqlType, Callable[[object], object]]] = {
    "UUID": _text,
    "TIMESTAMPTZ": lambda value: value,
    "VARCHAR": _text,
    "INTEGER": _integer,
    "DOUBLE": _number,
}
