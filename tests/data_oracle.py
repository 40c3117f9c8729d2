"""What other readers (the csv module, json, pyarrow) make of a data file, and whether the stage's tables say the same."""

from __future__ import annotations

import bz2
import csv
import datetime
import gzip
import io
import json
import lzma
import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.data_mutations import Sample

NULLS = {"", "NA", "NaN", "nan", "null", "NULL"}
Row = dict[str, Any]


class UnreadableError(Exception):
    """A strict reader makes no table of these bytes, so the stage may not either."""


def rows(sample: Sample, kind: str) -> list[Row]:
    """The declared columns of every row. Raises UnreadableError."""
    raw = _unpacked(sample.contents)
    names = {*sample.spec["inputs"], sample.spec["target"]["column"]}
    if kind == "parquet":
        return _parquet(raw, names)
    form = sample.spec["format"]
    try:
        text = raw.decode(form.get("encoding", "utf-8"))
    except UnicodeError as error:
        raise UnreadableError(str(error)) from None
    text = text.lstrip("\ufeff")  # of files that were joined too
    result = _json(text) if kind in ("json", "jsonl") else _separated(text, form, kind == "tsv", names)
    return [{name: _trimmed(row.get(name), bool(form.get("trim"))) for name in names} for row in result]


def _trimmed(value: Any, trim: bool) -> Any:
    return value.strip() if trim and isinstance(value, str) else value


def _unpacked(raw: bytes) -> bytes:
    """The bytes inside, of all streams of the file."""
    new: dict[bytes, Callable[[], Any]] = {b"BZh": bz2.BZ2Decompressor, b"\xfd7zXZ\x00": lzma.LZMADecompressor}
    try:
        for magic, decompressor in new.items():
            if raw.startswith(magic):
                return b"".join(_streams(raw, decompressor))
        if raw.startswith(b"\x1f\x8b"):
            return gzip.decompress(raw)
        if raw.startswith(b"\x28\xb5\x2f\xfd"):
            with pa.CompressedInputStream(pa.BufferReader(raw), "zstd") as stream:
                return bytes(stream.read())
    except (OSError, EOFError, ValueError, lzma.LZMAError, pa.ArrowException) as error:
        raise UnreadableError(str(error)) from None
    return raw


def _streams(raw: bytes, new: Callable[[], Any]) -> Iterable[bytes]:
    while raw.strip(b"\0"):
        one = new()
        yield one.decompress(raw)
        if not one.eof:
            raise EOFError("cut off")
        raw = one.unused_data


def _parquet(raw: bytes, names: set[str]) -> list[Row]:
    try:
        table = pq.read_table(io.BytesIO(raw))
        if any(table.column_names.count(name) != 1 for name in names):
            raise UnreadableError("a column is not there, or twice")
        result: list[Row] = table.select(sorted(names)).to_pylist()
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise UnreadableError(str(error)) from None
    return result


def _separated(text: str, form: dict[str, Any], tabs: bool, names: set[str]) -> list[Row]:
    first, _, rest = text.partition("\n")
    sign = ""
    if first.strip('"\r').lower().startswith("sep=") and len(first.strip('"\r')) == 5:
        sign, text = first.strip('"\r')[4], rest
    quoting = form.get("quoting", not tabs)
    separator = form.get("delimiter") or sign or ("\t" if tabs else ",")
    if quoting and form.get("trim"):
        text = re.sub(rf'"[^\S\r\n\t]+(?=[\r\n]|{separator}|\Z)', '"', text)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE,
        escapechar=form.get("escape") or None,
        doublequote=quoting,
        skipinitialspace=bool(form.get("trim")) and quoting,
        strict=form.get("escape") != "",
    )
    try:
        blank = [[], [""]] if form.get("trim") and not quoting else [[]]
        results = [row for row in reader if [value.strip() for value in row] not in blank]
    except csv.Error as error:
        raise UnreadableError(str(error)) from None
    header = form.get("columns")
    if header is None or form.get("header"):
        header, results = header or results[0], results[1:]
    header = [_trimmed(name, bool(form.get("trim"))) for name in header]
    if any(len(row) != len(header) for row in results) or any(header.count(name) != 1 for name in names):
        raise UnreadableError("rows of another length, or a column that is not there or twice")
    return [dict(zip(header, row, strict=True)) for row in results]


def _json(text: str) -> list[Row]:
    try:
        if text.lstrip()[:1] == "[":
            record = json.loads(text, object_pairs_hook=_unique)
        else:
            record = [json.loads(line, object_pairs_hook=_unique) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError) as error:
        raise UnreadableError(str(error)) from None
    if not all(isinstance(row, dict) for row in record):
        raise UnreadableError("not objects")
    return list(record)


def _unique(pairs: list[tuple[str, Any]]) -> Row:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def differences(sample: Sample, actual: list[Row], labels: list[str], decisions: dict[str, str]) -> Iterable[str]:
    """Where the rows that the stage wrote, in the order of the file, are not those of the file."""
    expected = rows(sample, kind_of(sample))
    if len(expected) != len(actual):
        yield f"{len(actual)} rows, and the file has {len(expected)}"
        return
    target = sample.spec["target"]
    for name, kind in (*sample.spec["inputs"].items(), (target["column"], target.get("type", "class"))):
        values = [row[name] for row in expected]
        for at, (value, got) in enumerate(zip(values, (row[name] for row in actual), strict=True)):
            if not _same(value, got, kind, values, labels, sample.spec["format"], decisions.get(f"column {name}", "")):
                yield f"row {at + 1}, {name}: {value!r} was read as {got!r}"


def kind_of(sample: Sample) -> str:
    """The kind of file that its name says."""
    return sample.name.split(".")[1]


def _same(
    value: Any, got: Any, kind: str, column: list[Any], labels: list[str], form: dict[str, Any], decided: str
) -> bool:
    if kind == "class":
        return got is not None and _is_label(value, labels[got])
    if kind == "number":
        return _equal(_number(value, column, form), got)
    if kind == "category" and isinstance(value, str) and value in form.get("nulls", ()):
        return got is None
    return got in _spellings(value, kind, decided)


def _is_label(value: Any, label: str) -> bool:
    text = _text(value)
    return (
        label == text or (text.lower() == label.lower() and label.lower() in ("true", "false")) or _alike(text, label)
    )


def _alike(one: str, other: str) -> bool:
    try:
        return bool(one[:1] != "0" and Decimal(one) == Decimal(other)) or float(one) == float(other) == 0
    except (InvalidOperation, ValueError):
        return False


def _equal(expected: float | None, got: float | None) -> bool:
    return expected == got or (expected is not None and math.isnan(expected) and got is None)


def _number(value: Any, column: list[Any], form: dict[str, Any]) -> float | None:
    if value is None:
        return None
    if not isinstance(value, str):
        return float(value)
    missing = NULLS if "nulls" not in form else {"", *form["nulls"]}
    present = {v for v in column if isinstance(v, str) and v.strip() not in missing}
    if present <= {"true", "True", "TRUE", "false", "False", "FALSE"} and value in present:
        return float(value.lower() == "true")
    if value.strip() in missing:
        return None
    return float(
        value.replace(form.get("thousands", "\0"), "").replace(form.get("decimal", "."), ".").replace("_", "?")
    )


def _spellings(value: Any, kind: str, decided: str) -> set[str | None]:
    """How a value may stand in a column of texts, with what the stage says that it decided."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return {None}
    nested = isinstance(value, list | dict) or (isinstance(value, bool | float) and kind == "text")
    if nested or (isinstance(value, float) and not value.is_integer()):
        return set()
    text = _text(value)
    if "read as booleans" in decided:
        return {text.lower()}
    if "written with `.0`" in decided:
        return {text.removesuffix(".0")}
    if "at midnight" in decided:
        return {text[:10]}
    written = {text, text.removesuffix(" 00:00:00") if text != value else text}
    return written | _as_moment(text) if kind == "category" else {*written}


def _as_moment(text: str) -> set[str]:
    """How a moment stands in a category, whatever its spelling in the file; nothing for another text."""
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        return set()
    return {(time.astimezone(datetime.UTC) if time.tzinfo else time).isoformat(sep=" ")}


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat(sep=" ") if isinstance(value, datetime.datetime) else str(value)
