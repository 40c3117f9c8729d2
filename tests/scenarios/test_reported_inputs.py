"""Small inputs rebuilt from public bug reports of other tools: each ends in the right table, or is refused with its place."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlspec.errors import StageError
from tests.parts.data.project import csv, data_splits, read, rows, write

NUMBER: dict[str, Any] = {"inputs": {"size": "number"}, "split": {"valid": 0.25, "test": 0.25}}


def refusal(root: Path, **settings: Any) -> StageError:
    with pytest.raises(StageError) as caught:
        data_splits(root, **settings)
    return caught.value


def decisions(root: Path) -> list[str]:
    return [f"{row['subject']}: {row['reading']}" for row in read(root, "decisions.json")["decisions"]]


@pytest.mark.parametrize("labels", [["1.0", "0.0"], [1.0, 0.0], [1, 0], None])
def test_labels_as_floats(tmp_path: Path, labels: list[Any] | None) -> None:
    """ludwig-ai/ludwig#3101 and #2336: every row got the other label."""
    pq.write_table(pa.table({"a": list(range(60)), "y": [1.0, 0.0] * 30}), tmp_path / "rows.parquet")
    target = {"column": "y", **({"labels": labels} if labels else {})}
    actual = rows(data_splits(tmp_path, source="rows.parquet", inputs={"a": "number"}, target=target))
    names = read(tmp_path, "schema.json")["target"]["labels"]
    assert all(float(names[row["y"]]) == (1.0 if row["a"] % 2 == 0 else 0.0) for row in actual)
    reported = f"label {names[0]}: number 1.0 (30 rows)" in decisions(tmp_path)
    assert reported == (names[0] == "1")  # a label that is written as the value needs no decision


@pytest.mark.parametrize(
    ("values", "target", "reported"),
    [
        (["a", "b"], {}, []),
        ([0, 1], {}, []),
        ([0, 1], {"labels": ["a", "b"], "labels_are": "positions"}, ["label a: number 0 (30 rows)", "label b: number 1 (30 rows)"]),
        (["x", "b"], {"values": {"x": "a", "b": "b"}}, ["label a: `x` (30 rows)"]),
        (["a", "b"], {"labels": ["a", "b", "c"]}, ["label c: no row"]),
    ],
)  # fmt: skip
def test_only_labels_that_had_to_be_interpreted_are_reported(
    tmp_path: Path, values: list[Any], target: dict[str, Any], reported: list[str]
) -> None:
    pq.write_table(pa.table({"a": list(range(60)), "y": values * 30}), tmp_path / "rows.parquet")
    data_splits(tmp_path, source="rows.parquet", inputs={"a": "number"}, target={"column": "y", **target})
    assert [line for line in decisions(tmp_path) if line.startswith("label")] == reported


def test_thousands(tmp_path: Path) -> None:
    """SheetJS/ssf#22: the advice led to 12.5 for 12,500."""
    write(tmp_path, {"a.csv": "size,price\n" + '1,"12,500"\n2,"13,501"\n' * 8})
    spec = {**NUMBER, "source": "a.csv", "target": {"column": "price", "type": "number"}}
    error = refusal(tmp_path, **spec)
    assert "a.csv line 2: '12,500'" in error.message
    assert '`12,500` is 12500 with `data: {format: {thousands: ","}}`' in error.help
    assert {row["price"] for row in rows(data_splits(tmp_path, **spec, format={"thousands": ","}))} == {12500, 13501}


def test_unused_columns_do_not_matter(tmp_path: Path) -> None:
    """apache/arrow#9886: an unused column that is empty in each line ended the run."""
    contents = "".join(json.dumps({"size": i, "label": ["no", "yes"][i % 2], "meta": {}}) + "\n" for i in range(16))
    write(tmp_path, {"a.jsonl": contents})
    assert len(rows(data_splits(tmp_path, source="a.jsonl", **NUMBER))) == 16


def test_unused_columns_without_a_name(tmp_path: Path) -> None:
    """thephpleague/csv#543: what Excel leaves behind."""
    write(tmp_path, {"a.csv": "size,label,,\n" + "1,no,,\n2,yes,,\n" * 8})
    assert len(rows(data_splits(tmp_path, source="a.csv", **NUMBER))) == 16
    assert "columns: 2 columns without a name not read" in decisions(tmp_path)


@pytest.mark.parametrize("value", [[1], {"a": 1}, [[]]])
def test_lists_for_numbers(tmp_path: Path, value: Any) -> None:
    """fbdesignpro/sweetviz#106: an unhashable list."""
    write(tmp_path, {"a.jsonl": (json.dumps({"size": value, "label": "no"}) + '\n{"size": 2, "label": "yes"}\n') * 8})
    error = refusal(tmp_path, source="a.jsonl", **NUMBER)
    assert "size is not a number: 8 rows" in error.message
    assert "a.jsonl line 1: " in error.message


def test_lists_for_all_numbers(tmp_path: Path) -> None:
    """The same where no row has a number, and the column is one of lists."""
    write(tmp_path, {"a.jsonl": '{"size": [1], "label": "no"}\n{"size": [2], "label": "yes"}\n'})
    error = refusal(tmp_path, source="a.jsonl", **NUMBER)
    assert "size is not a number: 2 rows\n      a.jsonl line 1: [1]\n      a.jsonl line 2: [2]" in error.message


def test_a_declared_label_is_never_missing(tmp_path: Path) -> None:
    """datasets/country-codes#38: NA is a region."""
    write(tmp_path, {"a.csv": "size,region\n" + "1,EU\n2,NA\n3,AS\n" * 8})
    target = {"column": "region", "labels": ["EU", "NA", "AS"]}
    assert [row["region"] for row in rows(data_splits(tmp_path, source="a.csv", **NUMBER, target=target))].count(1) == 8
    error = refusal(tmp_path, source="a.csv", **NUMBER, target={"column": "region", "labels": ["EU", "AS"]})
    assert "nulls" in error.help


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.json.gz"])
def test_a_json_list(tmp_path: Path, name: str) -> None:
    contents = json.dumps([{"size": i, "label": ["no", "yes"][i % 2]} for i in range(16)]).encode()
    write(tmp_path, {name: gzip.compress(contents) if name.endswith("gz") else contents})
    assert sorted(row["size"] for row in rows(data_splits(tmp_path, source=name, **NUMBER))) == list(range(16))


@pytest.mark.parametrize(
    ("contents", "what"),
    [
        ('{"size": [1, 2], "label": ["no", "yes"]}', "no|single"),
        ('{"a": {"size": 1},\n "b": {"size": 2}}', "a single JSON object over several lines"),
        ('[{"size": 1, "label": "no"}, {"size": 2, "lab', "are not JSON"),
        ('[{"size": 1, "label": "no"} {"size": 2}]', "are not separated by commas"),
        ('[{"size": 1, "label": "no"},]', "are not JSON"),
        ('[{"size": 1, "label": "no"}, [2], [3]]', r"are not a JSON object: 2 rows\n      a.json row 2: "),
        ('[{"size": 1, "label": "no"}] x', "come after the end of the list"),
        ('[{"size": 1, "size": 2, "label": "no"}]', "have the key `size` more than once"),
        ("[1, 2]", "are not a JSON object"),
    ],
)
def test_json_that_is_not_a_table(tmp_path: Path, contents: str, what: str) -> None:
    write(tmp_path, {"a.json": contents})
    error = refusal(tmp_path, source="a.json", **NUMBER)
    assert re.search(what, error.message)
    assert error.help


def test_values_padded_behind_commas(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "size, city, label\n" + '1, Bonn, no\n2, "K, x", yes\n' * 8})
    spec = {"source": "a.csv", "inputs": {"size": "number", "city": "category"}, "split": NUMBER["split"]}
    assert "spaces around it" in refusal(tmp_path, **spec).help
    assert {row["city"] for row in rows(data_splits(tmp_path, **spec, format={"trim": True}))} == {"Bonn", "K, x"}


@pytest.mark.parametrize("labels", [None, ["no", "yes"]])
def test_labels_with_a_leading_space(tmp_path: Path, labels: list[str] | None) -> None:
    write(tmp_path, {"a.csv": "size,label\n" + "1,no\n2, yes\n" * 8})
    spec = {**NUMBER, "source": "a.csv", "target": {"column": "label", **({"labels": labels} if labels else {})}}
    error = refusal(tmp_path, **spec)
    assert "spaces around th" in f"{error.message} {error.help}"
    assert "`data: {format: {trim: true}}`" in error.help
    # The help, followed to the letter.
    actual = rows(data_splits(tmp_path, **spec, format={"trim": True}))
    assert read(tmp_path, "schema.json")["target"]["labels"] == ["no", "yes"]
    assert all(row["label"] == row["size"] - 1 for row in actual)


@pytest.mark.parametrize("day", ["2012/01/{:02}", "2012-01-{:02}", "{:02}/01/2012", "{:02}.01.2012"])
def test_dates_are_recognised_in_any_spelling(tmp_path: Path, day: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{day.format(1 + at % 28)},{['no', 'yes'][at % 2]}" for at in range(56)]
    write(tmp_path, {"a.csv": "\n".join(["day,label", *lines]) + "\n"})
    data_splits(tmp_path, source="a.csv", inputs={"day": "category"})
    assert "warning: `day` contains dates" in capsys.readouterr().out


def test_the_separator_that_excel_announces(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "sep=;\n" + csv(separator=";") + "x;maybe\n"})
    error = refusal(tmp_path, source="a.csv")
    assert "a.csv line 19: 'maybe'" in error.message[error.message.index("line") - 6 :]


def test_a_damaged_compressed_file_and_an_archive(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv.gz": gzip.compress(csv().encode())[:-9], "b.csv": b"PK\x03\x04 and so on"})
    assert "is a damaged gzip file" in refusal(tmp_path, source="a.csv.gz").message
    assert "unzip b.csv" in refusal(tmp_path, source="b.csv").help


def test_lines_of_a_compressed_file_are_its_own(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv.gz": gzip.compress((csv() + "x,maybe\n").encode())})
    assert "a.csv.gz line 18: 'maybe'" in refusal(tmp_path, source="a.csv.gz").message


@pytest.mark.parametrize(("delimiter", "refused"), [(";", True), (",", False)])
def test_a_point_before_three_digits_is_asked_for_where_semicolons_separate(
    tmp_path: Path, delimiter: str, refused: bool
) -> None:
    lines = [f"{size}{delimiter}{label}" for size, label in [("12.500", "no"), ("13.250", "yes")] * 8]
    write(tmp_path, {"a.csv": "\n".join([f"size{delimiter}label", *lines])})
    spec = {"source": "a.csv", **NUMBER, "format": {"delimiter": delimiter}}
    if refused:
        assert refusal(tmp_path, **spec).code == "ambiguous-number"
    else:
        assert {row["size"] for row in rows(data_splits(tmp_path, **spec))} == {12.5, 13.25}
