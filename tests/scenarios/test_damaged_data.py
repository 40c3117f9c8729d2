"""Damaged files are refused with their place, whole ones are read to their end, and a failure leaves no new table."""

from __future__ import annotations

import bz2
import datetime
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlspec.errors import StageError
from tests.parts.data.project import csv, data_splits, rows, table, write


def refused(root: Path, name: str, contents: str | bytes, **settings: Any) -> StageError:
    write(root, {f"data/{name}": contents})
    with pytest.raises(StageError) as error:
        data_splits(root, source=f"data/{name}", **settings)
    assert error.value.help
    assert not list((root / "artifacts").rglob("*.parquet"))
    return error.value


def lines(**first: Any) -> str:
    """JSON lines of which the first row has other values."""
    every = [dict(zip(table(), row, strict=True)) for row in zip(*table().values(), strict=True)]
    return "".join(json.dumps(row) + "\n" for row in [every[0] | first, *every[1:]])


@pytest.mark.parametrize(("pack", "ending"), [(bz2.compress, "bz2"), (lzma.compress, "xz"), (gzip.compress, "gz")])
def test_streams_behind_one_another_are_all_read_or_none(
    tmp_path: Path, pack: Callable[[bytes], bytes], ending: str
) -> None:
    head, tail = csv().encode()[:100], csv().encode()[100:]
    damaged = bytearray(pack(tail))
    damaged[2] ^= 0xFF
    error = refused(tmp_path, f"rows.csv.{ending}", pack(head) + bytes(damaged))
    assert "is a damaged" in error.message
    assert "is a damaged" in refused(tmp_path, f"rows.csv.{ending}", pack(head) + pack(tail)[:-9]).message
    write(tmp_path, {f"data/rows.csv.{ending}": pack(head) + pack(tail)})
    assert sum(t.num_rows for t in data_splits(tmp_path, source=f"data/rows.csv.{ending}").values()) == 16


def test_a_damaged_block_of_gzip(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(csv().encode()))
    packed[10:14] = b"\xff\xff\xff\xff"
    assert "damaged gzip" in refused(tmp_path, "rows.csv.gz", bytes(packed)).message


def test_a_damaged_page_of_parquet(tmp_path: Path) -> None:
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(table()), out, compression="none")
    raw = bytearray(out.getvalue().to_pybytes())
    raw[4:12] = b"\xff" * 8
    assert "cannot read data/rows.parquet" in refused(tmp_path, "rows.parquet", bytes(raw)).message


def test_a_text_of_parquet_that_is_not_a_text(tmp_path: Path) -> None:
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(table()), out, compression="none")
    raw = out.getvalue().to_pybytes().replace(b"sentence 7", b"sentence \xff")
    error = refused(tmp_path, "rows.parquet", raw)
    assert "cannot read data/rows.parquet as parquet: " in error.message


def test_views_of_texts_in_parquet(tmp_path: Path) -> None:
    out = pa.BufferOutputStream()
    spare = pa.array([b"a"] * 16, pa.binary_view())
    columns = {name: pa.array(values, pa.string_view()) for name, values in table().items()}
    pq.write_table(pa.table({**columns, "spare": spare}), out)
    write(tmp_path, {"data/rows.parquet": out.getvalue().to_pybytes()})
    assert sum(t.num_rows for t in data_splits(tmp_path, source="data/rows.parquet").values()) == 16


def test_midnight_in_a_time_zone_is_not_a_date(tmp_path: Path) -> None:
    time = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(table() | {"sentence": [time] * 16}), out)
    write(tmp_path, {"data/rows.parquet": out.getvalue().to_pybytes()})
    actual = rows(data_splits(tmp_path, source="data/rows.parquet"))
    assert {row["sentence"] for row in actual} == {"2020-01-01 00:00:00+00:00"}


@pytest.mark.parametrize("sign", ["\x1c", "\x1f", "\x85"])
def test_a_number_behind_a_control_character(tmp_path: Path, sign: str) -> None:
    contents = csv().replace("sentence 1,", f"{sign}7,").replace("sentence ", "")
    error = refused(tmp_path, "rows.csv", contents, inputs={"sentence": "number"})
    assert "is not a number: 1 row" in error.message


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("sentence 1,", '"sentence 1,', "line 3: a quote is never closed"),
        ("sentence 1,", '"so" he said,', "line 3: text follows the closing quote"),
        ("sentence 15,", '"sentence 15,', "line 17: a quote is never closed"),
    ],
)
@pytest.mark.parametrize("format", [{}, {"trim": True}, {"escape": "\\"}])
def test_quotes_that_do_not_enclose_a_value(
    tmp_path: Path, old: str, new: str, what: str, format: dict[str, Any]
) -> None:
    assert what in refused(tmp_path, "rows.csv", csv().replace(old, new), format=format).message


def test_an_open_quote_where_no_character_escapes(tmp_path: Path) -> None:
    contents = csv().replace("sentence 15,", '"sentence 15,')
    assert "line 17: a quote is never closed" in refused(tmp_path, "rows.csv", contents, format={"escape": ""}).message


def test_padding_behind_a_closing_quote(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": csv().replace("sentence 1,", ' "sentence 1" ,')})
    assert "sentence 1" in {row["sentence"] for row in rows(data_splits(tmp_path, format={"trim": True}))}


@pytest.mark.parametrize("sign", ["\u2028", "\x85", "\x0b", "\x0c", "\x1c"])
def test_trim_breaks_lines_of_tsv_at_line_ends_only(tmp_path: Path, sign: str) -> None:
    write(tmp_path, {"data/rows.tsv": csv(separator="\t").replace("sentence 1\t", f" one{sign}two \t")})
    actual = {row["sentence"] for row in rows(data_splits(tmp_path, source="data/rows.tsv", format={"trim": True}))}
    assert f"one{sign}two" in actual


def test_marks_of_files_that_were_joined(tmp_path: Path) -> None:
    contents = b"\xef\xbb\xbf" * 2 + lines().encode()
    write(tmp_path, {"data/rows.jsonl": contents})
    assert sum(t.num_rows for t in data_splits(tmp_path, source="data/rows.jsonl").values()) == 16


@pytest.mark.parametrize("value", [[1], {"a": 1}, True, 0.5, 1e400])
@pytest.mark.parametrize("kind", ["text", "category"])
def test_json_values_that_are_no_texts_beside_texts(tmp_path: Path, value: Any, kind: str) -> None:
    contents = lines(sentence=value)
    if value is True and kind == "category":
        write(tmp_path, {"data/rows.jsonl": contents})
        result = data_splits(tmp_path, source="data/rows.jsonl", inputs={"sentence": kind})
        assert "true" in {row["sentence"] for row in rows(result)}
        return
    error = refused(tmp_path, "rows.jsonl", contents, inputs={"sentence": kind})
    assert f"not {kind}: 1 row" in error.message
    assert "data/rows.jsonl line 1" in error.message


@pytest.mark.parametrize("value", [[1], {"a": 1}, 1e400])
def test_json_values_that_are_no_labels_beside_labels(tmp_path: Path, value: Any) -> None:
    error = refused(tmp_path, "rows.jsonl", lines(label=value), target={"column": "label"})
    assert "not a label: 1 row" in error.message


def test_infinite_labels(tmp_path: Path) -> None:
    contents = lines().replace('"no"', "1e400").replace('"yes"', "1")
    assert "cannot be a label" in refused(tmp_path, "rows.jsonl", contents, target={"column": "label"}).message


@pytest.mark.parametrize("label", ["9" * 5000, "9" * 101, "1e308"])
def test_labels_with_more_digits_than_a_name(tmp_path: Path, label: str) -> None:
    contents = csv().replace(",no", ",1").replace(",yes", f",{label}")
    error = refused(tmp_path, "rows.csv", contents, target={"column": "label"})
    assert error.code == "classes-or-number" or "has 5,000 characters, the limit is 200" in error.message
    assert len(error.message) < 200


@pytest.mark.parametrize("row", ['{"sentence": "\\ud800", "label": "no"}', '{"\\udfff": 1}'])
@pytest.mark.parametrize("listed", [False, True])
def test_half_of_a_surrogate_pair(tmp_path: Path, row: str, listed: bool) -> None:
    every = [row, *lines().splitlines()]
    contents = f"[{', '.join(every)}]" if listed else "\n".join(every)
    error = refused(tmp_path, "rows.json", contents)
    assert "an unpaired surrogate: 1 row" in error.message


def test_half_of_a_surrogate_pair_as_key_of_two_values(tmp_path: Path) -> None:
    error = refused(tmp_path, "rows.jsonl", lines() + '{"\\ud800": 1, "\\ud800": 2}\n')
    assert "have the key `\\ud800` more than once: 1 row" in error.message


@pytest.mark.parametrize("depth", [90, 300, 600, 900, 960, 990, 100_000])
@pytest.mark.parametrize("column", ["sentence", "spare"])
def test_lists_in_lists(tmp_path: Path, depth: int, column: str) -> None:
    contents = lines(**{column: "deep"}).replace('"deep"', "[" * depth + "]" * depth)
    write(tmp_path, {"data/rows.jsonl": contents})
    try:
        data_splits(tmp_path, source="data/rows.jsonl")
    except StageError as error:
        assert "data/rows.jsonl line 1: " in error.message
        assert error.help
    else:
        assert column == "spare"


@pytest.mark.parametrize("sign", ["\u2028", "\x0b", "\x1c", "\x85", "\u00a0", "\x0c"])
@pytest.mark.parametrize("alone", [False, True])
def test_json_has_four_signs_of_white_space_and_no_others(tmp_path: Path, sign: str, alone: bool) -> None:
    contents = sign + ("\n" if alone else "") + lines()
    assert "data/rows.jsonl line 1" in refused(tmp_path, "rows.jsonl", contents).message


def test_json_objects_without_keys(tmp_path: Path) -> None:
    assert "has no column" in refused(tmp_path, "rows.jsonl", "{}\n{}\n").message


def test_a_list_that_is_cut_off(tmp_path: Path) -> None:
    contents = "[" + ", ".join(lines().splitlines())
    assert "data/rows.json" in refused(tmp_path, "rows.json", contents).message
