"""JSON to rows: one object per line, or a list of objects; values of other kinds become failures of single rows."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from mlspec.errors import StageError
from mlspec.parts.data.cell_values import missing, readings, shown, textual
from mlspec.parts.data.cell_values import text as as_text
from mlspec.parts.data.file_contents import contents, decoded, text_lines
from mlspec.parts.data.raw_rows import Failure, Piece, RowPlace
from mlspec.records.decisions import Decision
from mlspec.sections.data import DataSpec

_SPACE = " \t\r\n"
_NAMES = {"list": "a list", "dict": "an object", "float": "a floating-point number", "bool": "a boolean"}
_SHOWN = 80
"""Maximum length of an invalid list element in a message, in characters."""


class _Fault(NamedTuple):
    """What is wrong with a row, the help, and the code of its explanation."""

    what: str
    help: str = ""
    code: str = ""


class _Item(NamedTuple):
    """One row: the line on which it begins, and the object or its fault."""

    line: int
    value: dict[str, object] | None
    wrong: _Fault = _Fault("")
    text: str = ""


class _RepeatedError(ValueError):
    """An object with a repeated key."""


class _Pairs(list[tuple[str, object]]):
    """An object as its keys and values, with repeated keys."""


_NOT_JSON = _Fault("are not JSON")


def read(data: DataSpec, file: Path, name: str) -> Piece:
    """The rows of one file. Raises StageError if the file is not text, or is a single object."""
    unpacked = contents(file, name)
    text = decoded(unpacked.raw, name, data.format.encoding)
    items = [_encodable(item) for item in _items(text, name)] if "\\ud" in text.lower() else list(_items(text, name))
    rows = [item.value for item in items if item.value is not None]
    numbers = [number for number, item in enumerate(items, start=1) if item.value is not None]
    bad: dict[_Fault, list[RowPlace]] = {}
    for number, item in enumerate(items, start=1):
        if item.value is None:
            bad.setdefault(item.wrong, []).append(RowPlace(name, number, item.text))
    names = list(dict.fromkeys(key for row in rows for key in row))
    table = pa.table({key: column([row.get(key) for row in rows]) for key in names})
    if bad and not rows:
        # With the expected columns the error reports the invalid rows, not missing columns.
        names = [*data.columns, data.target.column]
        table = pa.table({key: pa.array([], pa.string()) for key in names})
    unread = [Failure("rows", wrong.what, places, wrong.help, wrong.code) for wrong, places in bad.items()]
    unread += [failure for key in names for failure in _odd(data, name, key, table[key].type, rows, numbers)]
    lines = [item.line for item in items if item.value is not None]
    decisions = (*unpacked.decisions, *_decisions(data, text, name))
    return Piece(name, table, numbers, tuple(unread), decisions=decisions, lines=lines)


def _encodable(item: _Item) -> _Item:
    """The item, or its fault if it contains an unpaired surrogate, which cannot be encoded."""
    try:
        json.dumps(item.value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        what = f"contain \\u{ord(error.object[error.start]):04x}, an unpaired surrogate"
        return _Item(item.line, None, _Fault(what), json.dumps(item.value))
    return item


def _odd(
    data: DataSpec, name: str, key: str, type_: pa.DataType, rows: Sequence[dict[str, object]], numbers: Sequence[int]
) -> Iterator[Failure]:
    """Values of a text, category or label column that have no usual text form, such as lists."""
    target = key == data.target.column and data.target.type == "class"
    kind = "category" if target else data.columns[key].type if key in data.columns else ""
    if kind not in ("text", "category") or not pa.types.is_string(type_):
        return
    places: dict[str, list[RowPlace]] = {}
    for number, row in zip(numbers, rows, strict=True):
        value = row.get(key)
        if not missing(value) and not textual(value, kind) and not (target and readings(value)):
            places.setdefault(type(value).__name__, []).append(RowPlace(name, number, json.dumps(value)))
    for odd, some in places.items():
        what = f"is {_NAMES[odd]}, not {'a label' if target else kind}"
        yield Failure(key, what, some, f"write the values of `{key}` as strings, or use another column")


def _decisions(data: DataSpec, text: str, name: str) -> Iterator[Decision]:
    if _is_list(text) and data.written_as == "jsonl":
        yield Decision(f"file {name}", "read as one JSON list, not as JSON lines", "data.format.type")


def _is_list(text: str) -> bool:
    return text.lstrip(_SPACE)[:1] == "["


def _items(text: str, name: str) -> Iterator[_Item]:
    if _is_list(text) and not _line_of_list(text):
        yield from _elements(text)
        return
    items = list(_by_line(text))
    if items and all(item.value is None for item in items):
        _refuse_single(text, name)
    yield from items


def _line_of_list(text: str) -> bool:
    """Whether the first line is a complete list and more lines follow: JSON lines whose rows are not objects."""
    first, _, rest = text.lstrip(_SPACE).partition("\n")
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return bool(rest.strip(_SPACE))


def _refuse_single(text: str, name: str) -> None:
    """Raise StageError if the whole file is a single JSON value that is not a list of rows."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return
    if text.count("\n", 0, len(text.rstrip(_SPACE))):
        raise StageError(
            f"{name} is a single JSON object over several lines, not a list of rows",
            help="write a list of objects, `[{...}, {...}]`, or one object per line",
        )


def _by_line(text: str) -> Iterator[_Item]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip(_SPACE):
            yield _item(number, line.strip(_SPACE))


def _item(number: int, text: str) -> _Item:
    value, end = _decoded(text, 0)
    if end < len(text):
        return _Item(number, None, _NOT_JSON, text)
    return _row(number, value, text)


def _row(line: int, value: object, text: str) -> _Item:
    match value:
        case _Fault():
            return _Item(line, None, value, text)
        case dict():
            return _Item(line, value)
        case _:
            return _Item(line, None, _Fault("are not a JSON object"), text)


def _decoded(text: str, at: int) -> tuple[object, int]:
    """The JSON value at offset `at`, or its fault, and its end offset; the end of the text if it is not JSON."""
    try:
        return _decoder(_once).raw_decode(text, at)
    except _RepeatedError:
        pass
    except (ValueError, RecursionError):
        return _NOT_JSON, len(text)
    try:
        pairs, end = _decoder(_Pairs).raw_decode(text, at)
        return _repeated(next(_several(pairs))), end
    except (ValueError, RecursionError):
        return _NOT_JSON, len(text)


@functools.cache
def _decoder(objects: Callable[[list[tuple[str, object]]], object]) -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=objects)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _RepeatedError
    return value


def _several(value: object, path: str = "") -> Iterator[str]:
    """The path of each repeated key."""
    if isinstance(value, _Pairs):
        counts = Counter(key for key, _ in value)
        yield from (f"{path}{key}" for key, count in counts.items() if count > 1)
        for key, inner in value:
            yield from _several(inner, f"{path}{key}.")
    elif isinstance(value, list):
        for inner in value:
            yield from _several(inner, path)


def _repeated(path: str) -> _Fault:
    key = shown(path.encode("utf-8", "backslashreplace").decode())
    help = f"keep one {key} in each of these rows, or rename the second one"
    return _Fault(f"have the key {key} more than once", help, code="repeated-key")


def _elements(text: str) -> Iterator[_Item]:
    """The elements of a JSON list, up to the first syntax error."""
    at, line, counted, more = text.index("[") + 1, 1, 0, False
    while True:
        at = _skipped(text, at, _SPACE)
        line, counted = line + text.count("\n", counted, at), at
        if text[at : at + 1] == "]" and not more:
            yield from _rest(text, at + 1, line)
            return
        value, end = _decoded(text, at)
        yield _row(line, value, text[at : min(end, at + _SHOWN)])
        if value is _NOT_JSON:
            return
        at = _skipped(text, end, _SPACE)
        more = text[at : at + 1] == ","
        if more:
            at += 1
        elif text[at : at + 1] != "]":
            yield _Item(line, None, _Fault("are not separated by commas"), text[at : at + _SHOWN])
            return


def _rest(text: str, at: int, line: int) -> Iterator[_Item]:
    rest = text[at:].strip(_SPACE)
    if rest:
        yield _Item(line, None, _Fault("come after the end of the list"), rest[:_SHOWN])


def _skipped(text: str, at: int, signs: str) -> int:
    while at < len(text) and text[at] in signs:
        at += 1
    return at


def column(values: list[object]) -> pa.Array:
    """One column; values of mixed types become text, so that each value of the wrong type can be reported."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or len(kinds) <= 1:
        try:
            return pa.array(values)
        except (pa.ArrowException, OverflowError):
            pass
    return pa.array([_as_text(value) for value in values], pa.string())


def _as_text(value: object) -> str | None:
    if isinstance(value, list | dict):
        return json.dumps(value)
    return value if isinstance(value, str) else None if missing(value) else as_text(value)


def lines(data: DataSpec, file: Path) -> Iterator[int]:
    """The line on which each row of the file begins, counted from 1."""
    text = text_lines(file, file.name, data.format.encoding).getvalue()
    yield from (item.line for item in _items(text, file.name))
