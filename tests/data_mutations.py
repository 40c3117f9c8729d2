"""Small tables in every format that the stage `data` reads, and damage to their bytes and structure."""

from __future__ import annotations

import bz2
import csv
import datetime
import gzip
import io
import json
import lzma
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 12
Table = dict[str, list[Any]]

PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda raw: pa.compress(raw, codec="zstd", asbytes=True),  # type: ignore[no-any-return]
}
LABELS: list[list[Any]] = [["no", "yes"], [0, 1], [3, 7], [True, False], ["007", "7"], ["NA", "EU"]]
TEXTS = ["a", "b c", 'say "hi"', "x, y", "naïve", "1.0", "true", "line\nbreak", "tab\there", "a\\", "\u2028", "日本"]
WORDS = ["red", "green", "0", "1.0", "True", "2020-01-01", "de"]
CELLS = [
    "", " ", "NA", "NaN", "null", "nan", "None", "inf", "-inf", "1e400", "1e151", "-0", "0x10", "1_000", "1,234", "12.500",
    "1.234,5", " 7 ", "+5", ".5", "5.", "1e5", "9" * 25, "9" * 400, "9" * 5000, str(2**63), str(2**64), str(-(2**63) - 1),
    "007", "7.0", "true", "True", "no ", " yes", "Yes", '"', '""', '"a', 'a"', 'a"b', '"a"b', '"a,b"', "\\", '\\"', "a\\",
    "\0", "\ufeff", "\x1a", "\x85", "\u2028", "\x0b", "\x0c", "\x1c", "\r", "\n", "\r\n", "\t", ";", ",", "١٢", "1\u202f234",
    "2020-01-01 00:00:00", "[1]", "{}", "\ufffe", "é", "e\u0301", "=1+1", "#", "\x1b[0m", "sep=;",
]  # fmt: skip
VALUES: list[str] = [
    "null", "true", "false", "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e308", str(2**63), str(2**64), "9" * 30,
    "9" * 400, "9" * 5000, "1.0", "0", "-0.0", '""', '"NA"', '"\\ud800"', '"\\u0000"', '"\\ufeff"', '"1"', '" 7 "', "[]",
    "[1, 2]", "{}", '{"a": 1}', '{"a": 1, "a": 2}', "[" * 2000 + "]" * 2000, "[" * 200_000, '"x', "01", "1.", "'a'", "nul",
]  # fmt: skip
PIECES = [b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b'"', b"'", b"\\", b",", b";", b"\t", b"\r", b"\n", b"\r\n", b"\n\n", b" ",
          b"\xc3", b"\x85", b"\xe2\x80\xa8", b"{", b"}", b"[", b"]", b":", b"PAR1", b"\x1f\x8b", b"sep=;\n", b"\x1a", b"#"]  # fmt: skip


class Sample(NamedTuple):
    """A damaged file, and the section `data` that describes it."""

    name: str
    contents: bytes
    spec: dict[str, Any]


def sample(dice: random.Random) -> Sample:
    """A small table in some format, damaged; now and then whole."""
    labels = dice.choice(LABELS)
    table = _table(dice, labels)
    ending, write = dice.choice(WRITERS)
    form, contents = write(table, dice)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        contents = _damaged(contents, ending, table, dice)
    packing = dice.choice(("", "", "", *PACK))
    contents = PACK[packing](contents)
    if packing and dice.random() < 0.2:
        contents = _packed(contents, PACK[packing], dice)
    if dice.random() < 0.03:
        ending = dice.choice(("csv", "tsv", "jsonl", "json", "parquet"))
        form = {}
    name = f"a.{ending}{packing if dice.random() > 0.02 else dice.choice(list(PACK))}"
    return Sample(name, contents, _spec(form, ending, labels, dice))


def _table(dice: random.Random, labels: list[Any]) -> Table:
    rows = range(ROWS)
    words = dice.sample(WORDS, dice.choice((2, 3)))
    if dice.random() < 0.1:
        words = dice.choice((["True", "False"], ["1.0", "2.0"], ["2020-01-01 00:00:00", "2021-01-01 00:00:00"]))
    return {
        "x": [dice.choice(TEXTS) for _ in rows],
        "c": [dice.choice(words) for _ in rows],
        "n": [dice.choice((row, row / 4, -row * 1e6, None)) for row in rows],
        "y": [labels[row % 2] for row in rows],
        "spare": [f"s{row}" for row in rows],
    }


def _spec(form: dict[str, Any], ending: str, labels: list[Any], dice: random.Random) -> dict[str, Any]:
    form = dict(form)
    if ending in ("csv", "tsv") and dice.random() < 0.3:
        form |= dice.choice((
            {"trim": True}, {"trim": False}, {"escape": ""}, {"escape": "\\"}, {"quoting": False}, {"quoting": True}, {"decimal": ","},
            {"thousands": ","}, {"nulls": [""]}, {"nulls": ["", "NA", "red"]}, {"delimiter": ";"}, {"encoding": "cp1252"},
            {"encoding": "utf-16"}, {"header": True, "columns": ["x", "c", "n", "y", "spare"]},
            {"columns": ["x", "c", "n", "y", "spare"]}, {"trim": True, "quoting": False}, {"trim": True, "encoding": "latin-1"},
        ))  # fmt: skip
    elif ending in ("jsonl", "json") and dice.random() < 0.1:
        form |= dice.choice(({"trim": True}, {"nulls": ["", "NA"]}, {"encoding": "utf-16"}, {"decimal": ","}))
    target: dict[str, Any] = {"column": "y"}
    if dice.random() < 0.5:
        target["labels"] = labels
    inputs: dict[str, str] = {"x": "text", "c": "category", "n": "number"}
    if dice.random() < 0.1:
        target, inputs = {"column": "n", "type": "number"}, {"x": "text", "c": "category"}
    return {"inputs": inputs, "target": target, "split": {"valid": 0.25, "test": 0.25}, "format": form}


def _plain(value: object) -> object:
    return "" if value is None else str(value) if not isinstance(value, bool) else str(value).lower()


def _csv(table: Table, dice: random.Random) -> tuple[dict[str, Any], bytes]:
    sign = dice.choice((",", ",", ",", ";"))
    quoting = dice.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    return {"delimiter": ";"} if sign == ";" else {}, _separated(table, sign, quoting, dice.choice(("\n", "\r\n")))


def _separated(table: Table, sign: str, quoting: Any, end: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=sign, quoting=quoting, lineterminator=end)
    writer.writerow(table)
    writer.writerows(map(_plain, row) for row in zip(*table.values(), strict=True))
    return out.getvalue().encode()


def _tsv(table: Table, dice: random.Random) -> tuple[dict[str, Any], bytes]:
    lines = ["\t".join(str(_plain(v)).translate(_NO_SIGNS) for v in row) for row in zip(*table.values(), strict=True)]
    return {}, "\n".join(["\t".join(table), *lines, ""]).encode()


_NO_SIGNS = str.maketrans("\t\r\n", "   ")


def _objects(table: Table) -> list[dict[str, Any]]:
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def _lines(table: Table, dice: random.Random) -> tuple[dict[str, Any], bytes]:
    plain = dice.random() < 0.5
    return {}, "".join(json.dumps(row, ensure_ascii=plain) + "\n" for row in _objects(table)).encode()


def _list(table: Table, dice: random.Random) -> tuple[dict[str, Any], bytes]:
    return {}, json.dumps(_objects(table), indent=dice.choice((None, 1))).encode()


def _parquet(table: Table, dice: random.Random) -> tuple[dict[str, Any], bytes]:
    names = list(table)
    arrays = [_array(table[name], dice) for name in names]
    if dice.random() < 0.05:
        names[dice.randrange(len(names))] = dice.choice(("x", "y", "", " x"))
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays, names=names), out, compression=dice.choice(("none", "snappy", "zstd")))
    return {}, out.getvalue().to_pybytes()


ODD: list[Any] = [
    2**63, 2**64 - 1, -(2**63), 1e400, float("nan"), 1e308, 0.5, True, b"\xff", b"ab", Decimal("1.50"), Decimal("1e20"),
    datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, 12), datetime.time(12),
    datetime.timedelta(1), [1], {"a": 1}, None, "", " a", "NA", "\0",
    datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
]  # fmt: skip


def _array(values: list[Any], dice: random.Random) -> pa.Array:
    if dice.random() < 0.1:
        odd = dice.choice(ODD)
        values = [odd if dice.random() < 0.8 else None for _ in values] if dice.random() < 0.5 else [odd] * len(values)
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError, UnicodeError):
        array = pa.array([_plain(value) for value in values], pa.string())
    return _as_other_type(array, dice) if dice.random() < 0.2 else array


def _as_other_type(array: pa.Array, dice: random.Random) -> pa.Array:
    types = (pa.large_string(), pa.binary(), pa.string_view(), pa.float16(), pa.float32(), pa.int8(), pa.uint64(),
             pa.decimal128(20, 2), pa.timestamp("ns"), pa.bool_(), pa.date32(), pa.string())  # fmt: skip
    try:
        return (
            array.dictionary_encode()
            if not array.null_count and dice.random() < 0.2
            else array.cast(dice.choice(types))
        )
    except pa.ArrowException:
        return array


WRITERS: list[tuple[str, Callable[[Table, random.Random], tuple[dict[str, Any], bytes]]]] = [
    ("csv", _csv), ("csv", _csv), ("tsv", _tsv), ("jsonl", _lines), ("json", _list), ("parquet", _parquet),
]  # fmt: skip


def _packed(raw: bytes, pack: Callable[[bytes], bytes], dice: random.Random) -> bytes:
    kind = dice.randrange(4)
    if kind == 0:
        return raw + pack(b"a,b,no,1,2\n")
    if kind == 1:
        return raw + _bytes(pack(b"a,b,no,1,2\n"), dice)
    return raw + dice.choice(PIECES) if kind == 2 else _bytes(raw, dice)


def _damaged(raw: bytes, ending: str, table: Table, dice: random.Random) -> bytes:
    if not raw or ending == "parquet" or dice.random() < 0.2:
        return _bytes(raw, dice)
    if ending in ("json", "jsonl") and dice.random() < 0.7:
        return _value(raw, dice)
    kinds = (_bytes, _rows, _cell, _cell, _cell, _whole, _header)
    return dice.choice(kinds)(raw, dice)


def _bytes(raw: bytes, dice: random.Random) -> bytes:
    """Bytes flipped, put in, lost, or all behind some place cut off."""
    at = dice.randrange(len(raw) + 1)
    match dice.randrange(5):
        case 0:
            return raw[:at] + bytes([dice.randrange(256)]) + raw[at + 1 :]
        case 1:
            return raw[:at] + dice.choice(PIECES) + raw[at:]
        case 2:
            return raw[:at] + raw[at + dice.choice((1, 1, 2, 9, 60)) :]
        case 3:
            return raw[:at]
        case _:
            return raw[:at] + raw[at : at + 20] + raw[at:]


def _rows(raw: bytes, dice: random.Random) -> bytes:
    """Lines twice, lost, in another order, or blank ones between."""
    lines = raw.splitlines(keepends=True)
    at = dice.randrange(len(lines)) if lines else 0
    match dice.randrange(6):
        case 0:
            lines[at:at] = lines[at : at + 1]
        case 1:
            del lines[at : at + dice.choice((1, 1, 4, 30))]
        case 2:
            lines[at:at] = [dice.choice((b"\n", b"  \n", b"\r\n", b",,,,\n", b'""\n', b"#\n", b"sep=;\n", b'"\n"\n'))]
        case 3:
            return raw + raw
        case 4:
            return raw.rstrip(b"\r\n") + dice.choice((b"", b"\n\n\n", b"\r", b" ", b"\x1a", b"\0", b'"'))
        case _:
            dice.shuffle(lines)
    return b"".join(lines)


def _cell(raw: bytes, dice: random.Random) -> bytes:
    """One cell replaced, twice or lost, as a writer would that knows nothing of quotes."""
    lines = raw.split(b"\n")
    at = dice.randrange(len(lines))
    sign = max((b",", b";", b"\t"), key=lines[0].count)
    cells = lines[at].split(sign)
    spot = dice.randrange(len(cells))
    match dice.randrange(8):
        case 0:
            cells[spot:spot] = cells[spot : spot + 1]
        case 1:
            del cells[spot]
        case 2:
            cells[spot] = b" " + cells[spot] + b" "
        case 3:
            cells[spot] = dice.choice((b'"%s"', b'"%s', b'%s"', b"'%s'", b'\\"%s\\"')) % cells[spot]
        case _:
            cells[spot] = dice.choice(CELLS).encode()
    lines[at] = sign.join(cells)
    return b"\n".join(lines)


def _whole(raw: bytes, dice: random.Random) -> bytes:
    """Another separator, line end, encoding or quote throughout."""
    swaps = ((b",", b";"), (b",", b"\t"), (b"\n", b"\r"), (b"\n", b"\r\n"), (b"\n", b"\n\r"), (b'"', b"'"), (b'""', b'\\"'),
             (b'"', b""), (b" ", b"\xc2\xa0"), (b",", b", "), (b",", b" ,"), (b".", b","))  # fmt: skip
    if dice.random() < 0.6:
        return raw.replace(*dice.choice(swaps))
    if dice.random() < 0.3:
        return (
            dice.choice((b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf", b"sep=,\n", b"sep=;\r\n", b"\n\n", b" ", b"#"))
            + raw
        )
    return raw.decode("utf-8", "replace").encode(
        dice.choice(("utf-16", "utf-16-le", "cp1252", "utf-32", "utf-8-sig")), "replace"
    )


def _header(raw: bytes, dice: random.Random) -> bytes:
    """A column's name changed, or the header lost."""
    first, _, rest = raw.partition(b"\n")
    names = dice.choice(((b"spare", b"x"), (b"spare", b""), (b"x", b" x"), (b"x", b"X"), (b"c", b'"c"'), (b"y", b"\xef\xbb\xbfy"),
                         (b"spare", b"spare,more"), (b"spare", b" y"), (b"spare", b"n")))  # fmt: skip
    return rest if dice.random() < 0.15 else first.replace(*names) + b"\n" + rest


def _value(raw: bytes, dice: random.Random) -> bytes:
    """One value of a JSON row replaced, or a key given twice or renamed."""
    name = dice.choice(("x", "c", "n", "y", "spare")).encode()
    key = b'"' + name + b'": '
    starts = [at for at in range(len(raw)) if raw.startswith(key, at)]
    if not starts:
        return _bytes(raw, dice)
    at = dice.choice(starts)
    end = min(
        (result for sign in (b', "', b"}", b",\n", b"\n") if (result := raw.find(sign, at)) > 0), default=len(raw)
    )
    value = dice.choice(VALUES).encode()
    if dice.random() < 0.2:
        every = dice.choice((b"1.0", b"true", b"1e400", b'"a"', b"[1]", b"{}", str(2**64).encode()))
        return b"\n".join(_replaced(line, key, every) for line in raw.split(b"\n"))
    if dice.random() < 0.15:
        return raw[:at] + key + value + b", " + raw[at:]
    return raw[:at] + key + value + raw[end:]


def _replaced(line: bytes, key: bytes, value: bytes) -> bytes:
    before, result, rest = line.partition(key)
    end = min((at for sign in (b', "', b"}") if (at := rest.find(sign)) >= 0), default=len(rest))
    return before + result + value + rest[end:] if result else line
