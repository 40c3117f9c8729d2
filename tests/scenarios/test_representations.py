"""One table in two representations gives the same rows, labels and profile, or a refusal that says where and what to set.

The files are written by other programs (the csv module, pandas, pyarrow, json) and read back by them too: what they
find in the file, not mlspec's own reader, says what the splits must hold.
"""

from __future__ import annotations

import bz2
import csv
import datetime
import gzip
import io
import json
import lzma
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlspec.errors import StageError
from mlspec.parts.data import work
from mlspec.sections.data import DataSpec
from tests.parts.data.project import job

ROWS = 24


class Result(NamedTuple):
    """What the stage made of a file: each split's rows, the schema and the profile; or the refusal."""

    splits: dict[str, list[dict[str, Any]]]
    schema: Any
    profile: Any
    refusal: StageError | None = None


def run(name: str, contents: bytes, settings: dict[str, Any]) -> Result:
    """The stage over one file."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "data").mkdir()
        (root / "data" / name).write_bytes(contents)
        data = DataSpec.model_validate_json(json.dumps({"source": f"data/{name}", **settings}))
        try:
            work.main(job(root, data))
        except StageError as error:
            return Result({}, None, None, error)
        created = root / "artifacts" / "data"
        splits = {
            split: pq.read_table(created / f"{split}.parquet").to_pylist() for split in ("train", "valid", "test")
        }
        kept = {*data.columns, data.target.column}
        rows = {split: [{k: v for k, v in row.items() if k in kept} for row in rows] for split, rows in splits.items()}
        read = {part: json.loads((created / f"{part}.json").read_text()) for part in ("schema", "profile")}
        return Result(rows, read["schema"], read["profile"])


def plain(value: object) -> object:
    """A value as a csv or JSON file has it."""
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def separated(table: dict[str, list[Any]], delimiter: str, **how: Any) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, **how)
    writer.writerow(table)
    writer.writerows(["" if v is None else plain(v) for v in row] for row in zip(*table.values(), strict=True))
    return out.getvalue().encode()


def by_pandas(table: dict[str, list[Any]]) -> bytes:
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in table.items()})
    return frame.to_csv(index=False).encode()


def parquet(table: dict[str, list[Any]], dictionary: bool = False) -> bytes:
    columns = {name: pa.array(values) for name, values in table.items()}
    columns = {n: v.dictionary_encode() if dictionary and pa.types.is_string(v.type) else v for n, v in columns.items()}
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), out)
    return out.getvalue().to_pybytes()


def objects(table: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(table, map(plain, row), strict=True)) for row in zip(*table.values(), strict=True)]


def lines(table: dict[str, list[Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in objects(table)).encode()


FORMATS: dict[str, tuple[str, Callable[[dict[str, list[Any]]], bytes], dict[str, Any]]] = {
    "csv": ("a.csv", lambda t: separated(t, ","), {}),
    "csv-quoted": ("a.csv", lambda t: separated(t, ",", quoting=csv.QUOTE_ALL), {}),
    "csv-pandas": ("a.csv", by_pandas, {}),
    "csv-semicolon": ("a.csv", lambda t: separated(t, ";"), {"delimiter": ";"}),
    "csv-utf-16": ("a.csv", lambda t: separated(t, ",").decode().encode("utf-16"), {"encoding": "utf-16"}),
    "csv-bom": ("a.csv", lambda t: b"\xef\xbb\xbf" + separated(t, ","), {}),
    "csv-gz": ("a.csv.gz", lambda t: gzip.compress(separated(t, ",")), {}),
    "csv-bz2": ("a.csv.bz2", lambda t: bz2.compress(separated(t, ",")), {}),
    "tsv": ("a.tsv", lambda t: separated(t, "\t"), {}),
    "tsv-xz": ("a.tsv.xz", lambda t: lzma.compress(separated(t, "\t")), {}),
    "parquet-dictionaries": ("a.parquet", lambda t: parquet(t, dictionary=True), {}),
    "parquet-gz": ("a.parquet.gz", lambda t: gzip.compress(parquet(t)), {}),
    "json-lines": ("a.jsonl", lines, {}),
    "json-lines-gz": ("a.jsonl.gz", lambda t: gzip.compress(lines(t)), {}),
    "json-list": ("a.json", lambda t: json.dumps(objects(t)).encode(), {}),
    "json-list-indented": ("a.json", lambda t: json.dumps(objects(t), indent=2).encode(), {}),
    "json-list-gz": ("a.json.gz", lambda t: gzip.compress(json.dumps(objects(t)).encode()), {}),
}

WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], include_characters='"\\,;\t\n'),
    min_size=1,
    max_size=8,
)
TEXTS = st.one_of(WORDS, st.sampled_from(["NA", "null", "true", "007", "1.0", "1e5", "2020-01-01", " padded ", '"q"']))
NUMBERS = st.one_of(
    st.integers(-(2**40), 2**40), st.floats(-1e9, 1e9, allow_nan=False), st.decimals(-9999, 9999, places=2)
)
DATES = st.dates(datetime.date(1990, 1, 1), datetime.date(2030, 1, 1))
TIMES = st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2030, 1, 1)).map(
    lambda t: t.replace(microsecond=0)
)
KINDS: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "text": ("text", TEXTS),
    "word": ("category", TEXTS),
    "whole": ("category", st.integers(-5, 5)),
    "float": ("category", st.sampled_from([0.0, 1.0, 2.0, -3.0])),
    "fraction": ("category", st.sampled_from([0.5, 1.0, 2.25])),
    "boolean": ("category", st.booleans()),
    "decimal": ("category", st.decimals(-99, 99, places=2)),
    "date": ("category", DATES),
    "time": ("category", TIMES),
    "integer": ("number", st.integers(-(2**40), 2**40)),
    "real": ("number", st.floats(-1e9, 1e9, allow_nan=False)),
    "exact": ("number", st.decimals(-9999, 9999, places=2)),
    "flag": ("number", st.booleans()),
    "list": ("number", st.lists(st.integers(0, 3), min_size=1, max_size=2)),
    "dictionary": ("category", st.fixed_dictionaries({"a": st.integers(0, 3)})),
}
LABELS = [
    [0, 1], [1.0, 0.0], [3, 7], [True, False], ["no", "yes"], ["NA", "EU"], ["1.0", "0.0"], ["007", "7"], ["True", "False"],
    ["Yes", "yes"], [" no", "yes"], [0.5, 1.5], [Decimal("1.50"), Decimal("2.25")],
    [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)],
    [datetime.datetime(2020, 1, 1, 12), datetime.datetime(2021, 1, 1, 12)],
]  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """A table of typed columns, and the section `data` for it."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    type_, values = KINDS[kind]
    absent = draw(st.booleans())
    column = [draw(st.none() if absent and row % 5 == 4 else values) for row in range(ROWS)]
    labels = draw(st.sampled_from(LABELS))
    table = {"x": column, "y": [labels[(row * row) % 3 % 2] for row in range(ROWS)], "spare": [{}] * ROWS}
    declared = draw(st.sampled_from([None, "labels"]))
    target: dict[str, Any] = {"column": "y"}
    if declared:
        target["labels"] = [plain(label) for label in labels]
    return table, {"inputs": {"x": type_}, "target": target, "split": {"valid": 0.25, "test": 0.25}}


def written(table: dict[str, list[Any]], format: str) -> tuple[str, bytes, dict[str, Any]]:
    name, write, how = FORMATS[format]
    spare = {"spare"} if "parquet" in format else set()  # a dictionary without keys cannot stand in parquet
    return name, write({column: values for column, values in table.items() if column not in spare}), how


def usable(refusal: StageError, name: str) -> bool:
    """Whether a refusal says where, and what to do."""
    return bool(refusal.help) and (name in refusal.message or "`x`" in refusal.message or "`y`" in refusal.message)


def check(table: dict[str, list[Any]], spec: dict[str, Any], format: str) -> None:
    plain_table = {name: values for name, values in table.items() if name != "spare"}
    reference = run("a.parquet", parquet(plain_table), spec)
    name, contents, how = written(table, format)
    result = run(name, contents, {**spec, "format": how})
    for one in (reference, result):
        assert one.refusal is None or usable(one.refusal, "a."), one.refusal
    if reference.refusal is None and result.refusal is None:
        assert result.splits == reference.splits
        assert result.schema == reference.schema
        assert result.profile == reference.profile


@given(tables(), st.sampled_from(sorted(FORMATS)))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_two_representations_of_a_table_agree(drawn: tuple[dict[str, list[Any]], dict[str, Any]], format: str) -> None:
    check(*drawn, format)


@pytest.mark.slow
@given(tables(), st.sampled_from(sorted(FORMATS)))
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_two_representations_of_many_tables_agree(
    created: tuple[dict[str, list[Any]], dict[str, Any]], format: str
) -> None:
    check(*created, format)


PLAIN: dict[str, tuple[str, Callable[[int], Any]]] = {
    "text": ("text", lambda row: f"sentence {row}, with a comma"),
    "category": ("category", lambda row: "abc"[row % 3]),
    "whole": ("category", lambda row: row % 3),
    "number": ("number", lambda row: row / 4),
    "boolean": ("category", lambda row: row % 2 == 0),
    "date": ("category", lambda row: datetime.date(2020, 1, 1 + row % 9)),
    "time": ("category", lambda row: datetime.datetime(2020, 1, 1 + row % 9, 12)),
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", PLAIN)
def test_ordinary_values_are_read_in_every_format_as_other_readers_read_them(kind: str, format: str) -> None:
    type_, value = PLAIN[kind]
    table = {"x": [value(row) for row in range(ROWS)], "y": [row % 2 for row in range(ROWS)]}
    name, contents, how = written(table, format)
    spec = {"inputs": {"x": type_}, "target": {"column": "y", "labels": [0, 1]}, "format": how}
    result = run(name, contents, {**spec, "split": {"valid": 0.25, "test": 0.25}})
    assert result.refusal is None, result.refusal
    rows = [row for split in result.splits.values() for row in split]
    oracle = independent(format, contents, how)
    expected = [(spelled(x, type_), int(y)) for x, y in zip(oracle["x"], oracle["y"], strict=True)]
    assert sorted(((row["x"], row["y"]) for row in rows), key=repr) == sorted(expected, key=repr)


def spelled(value: Any, type_: str) -> Any:
    if type_ == "number":
        return float(value)
    return str(value).lower() if isinstance(value, bool) or value in ("True", "False") else str(plain(value))


def independent(format: str, contents: bytes, how: dict[str, Any]) -> dict[str, list[Any]]:
    """What other programs read in the file."""
    unpack = {"gz": gzip.decompress, "bz2": bz2.decompress, "xz": lzma.decompress}.get(format.rpartition("-")[2])
    contents = unpack(contents) if unpack else contents
    if format.startswith("parquet"):
        read: dict[str, list[Any]] = pq.read_table(io.BytesIO(contents)).to_pydict()
        return read
    if format.startswith("json"):
        text = contents.decode()
        rows = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
        return {name: [row[name] for row in rows] for name in rows[0]}
    sign = "\t" if format.startswith("tsv") else how.get("delimiter", ",")
    encoding = how.get("encoding", "utf-8-sig")
    frame = pd.read_csv(io.BytesIO(contents), sep=sign, encoding=encoding, dtype=str, keep_default_na=False)
    return {str(name): list(frame[name]) for name in frame.columns}


@pytest.mark.parametrize("labels", LABELS, ids=lambda labels: "-".join(map(str, labels)))
@pytest.mark.parametrize("format", ["csv", "csv-pandas", "tsv", "parquet-dictionaries", "json-lines", "json-list"])
def test_a_declared_label_means_the_same_in_every_format(labels: list[Any], format: str) -> None:
    """Every row gets the label that stands in it, whatever its type: never another one."""
    table = {"x": list(range(ROWS)), "y": [labels[(row * row) % 3 % 2] for row in range(ROWS)]}
    name, contents, how = written(table, format)
    target = {"column": "y", "labels": [plain(label) for label in labels]}
    spec = {"inputs": {"x": "number"}, "target": target, "split": {"valid": 0.25, "test": 0.25}, "format": how}
    result = run(name, contents, spec)
    assert result.refusal is None, result.refusal
    rows = {int(row["x"]): row["y"] for split in result.splits.values() for row in split}
    assert rows == {row: (row * row) % 3 % 2 for row in range(ROWS)}


def same_as_parquet(
    table: dict[str, list[Any]], plainly: dict[str, list[Any]], format: str, spec: dict[str, Any]
) -> None:
    """`table` in that format is what the typed columns of `plainly` are in parquet."""
    name, contents, how = written(table, format)
    spec = {"target": {"column": "y"}, "split": {"valid": 0.25, "test": 0.25}, **spec}
    result = run(name, contents, {**spec, "format": {**how, **spec.get("format", {})}})
    assert result.refusal is None, result.refusal
    assert result == run("a.parquet", parquet(plainly), {**spec, "format": {}})


WORDS_OF_NUMBERS = {"decimal": ("12,5", "-0,25"), "thousands": ("1.012,5", "-2.000"), "exponent": ("1,5e3", "2,0")}
VALUES_OF_NUMBERS = {"decimal": (12.5, -0.25), "thousands": (1012.5, -2000.0), "exponent": (1500.0, 2.0)}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", WORDS_OF_NUMBERS)
@pytest.mark.parametrize("column", ["x", "y"])
def test_a_decimal_comma_is_read_in_every_format(column: str, kind: str, format: str) -> None:
    other = {"x": "y", "y": "x"}[column]
    rest = {other: ["no" if row % 2 else "yes" for row in range(ROWS)]}
    inputs = {"x": "number" if column == "x" else "category"}
    spec = {
        "inputs": inputs,
        "target": {"column": "y", "type": "class" if column == "x" else "number"},
        "format": {"decimal": ",", "thousands": "."},
    }
    words, values = list(WORDS_OF_NUMBERS[kind]) * 12, list(VALUES_OF_NUMBERS[kind]) * 12
    same_as_parquet({**rest, column: words}, {**rest, column: values}, format, spec)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("column", ["x", "y"])
def test_padding_is_asked_about_in_every_format(column: str, format: str) -> None:
    other = {"x": "y", "y": "x"}[column]
    rest = {other: ["no" if row % 2 else "yes" for row in range(ROWS)]}
    table = {**rest, column: [" a", "b"] * 12}
    name, contents, how = written(table, format)
    spec = {"inputs": {"x": "category"}, "target": {"column": "y"}, "split": {"valid": 0.25, "test": 0.25}}
    refusal = run(name, contents, {**spec, "format": how}).refusal
    assert refusal is not None
    assert refusal.code == "padded-values"
    same_as_parquet(table, {**rest, column: ["a", "b"] * 12}, format, {**spec, "format": {"trim": True}})


TYPES_OF_CATEGORIES: dict[str, list[Any]] = {
    "floats": [1.0, 0.0, 3.0],
    "large-floats": [1e6, -2.0, 3e5],
    "integers": [7, 0, 3],
    "booleans": [True, False, True],
    "dates": [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2), datetime.date(2021, 1, 1)],
    "midnights": [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 2), datetime.datetime(2021, 1, 1)],
}
NAMES_OF_CATEGORIES = {
    "floats": ["1", "0", "3"],
    "large-floats": ["1000000", "-2", "300000"],
    "integers": ["7", "0", "3"],
    "booleans": ["true", "false", "true"],
    "dates": ["2020-01-01", "2020-01-02", "2021-01-01"],
    "midnights": ["2020-01-01", "2020-01-02", "2021-01-01"],
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", TYPES_OF_CATEGORIES)
def test_a_category_of_any_type_has_one_name(kind: str, format: str) -> None:
    table = {"x": TYPES_OF_CATEGORIES[kind] * 8, "y": ["no" if row % 2 else "yes" for row in range(ROWS)]}
    names = {**table, "x": NAMES_OF_CATEGORIES[kind] * 8}
    same_as_parquet(table, names, format, {"inputs": {"x": "category"}})


@pytest.mark.parametrize("format", FORMATS)
def test_unused_columns_without_a_name_do_not_matter(format: str) -> None:
    table: dict[str, list[Any]] = {
        "x": [f"s{row}" for row in range(ROWS)],
        "": [None, 1] * 12,
        " ": ["a"] * ROWS,
        "y": ["no" if row % 2 else "yes" for row in range(ROWS)],
    }
    same_as_parquet(table, {"x": table["x"], "y": table["y"]}, format, {"inputs": {"x": "text"}})
