"""Data that is not what the spec says: every failing row is told by file and line, and listed whole in a file."""

from __future__ import annotations

import csv as reader
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlspec.errors import StageError
from mlspec.parts.data import work
from mlspec.sections.evaluate import EvaluateSpec
from tests.parts.data.project import csv, data_splits, job, read, spec, write


def refused(root: Path, **settings: Any) -> tuple[str, list[dict[str, str]]]:
    """The message, and the rows of the file of failures."""
    with pytest.raises(StageError) as caught:
        data_splits(root, **settings)
    file = root / "artifacts/data/failed_rows.csv"
    return caught.value.message, list(reader.DictReader(file.open(newline=""))) if file.exists() else []


BODY = [
    "sentence,label,age,id",
    "a short one,no,3,1",
    ",yes,4,2",
    '"a quote\nover two lines",no,-1,3',
    "",
    "Something else,maybe,old,4",
    "LOUD,yes,200,4",
    "a short one,,7,5",
]
CHECKS: dict[str, tuple[str, dict[str, Any], str, list[tuple[int, int]]]] = {
    "not_null": ("sentence", {"not_null": True}, "is missing", [(2, 3)]),
    "unique": ("id", {"unique": True}, "is not unique", [(4, 7), (5, 8)]),
    "min": ("age", {"min": 0}, "is below 0", [(3, 4), (4, 7)]),
    "max": ("age", {"max": 99.5}, "is above 99.5", [(4, 7), (5, 8)]),
    "min_length": ("sentence", {"min_length": 5}, "is shorter than 5", [(5, 8)]),
    "max_length": ("sentence", {"max_length": 12}, "is longer than 12", [(3, 4), (4, 7)]),
    "in": ("label", {"in": ["no", "yes"]}, "is not one of: no, yes", [(4, 7)]),
    "in-numbers": ("id", {"in": [1, 2, 3, 4]}, "is not one of: 1, 2, 3, 4", [(6, 9)]),
    "matches": ("sentence", {"matches": r"[a-z \n]+"}, r"does not match [a-z \n]+", [(4, 7), (5, 8)]),
}


@pytest.mark.parametrize(("column", "check", "what", "places"), CHECKS.values(), ids=CHECKS)
def test_a_check(tmp_path: Path, column: str, check: Any, what: str, places: list[tuple[int, int]]) -> None:
    write(tmp_path, {"data/rows.csv": "\n".join(BODY) + "\n"})
    message, failed = refused(tmp_path, checks={column: check})
    assert f"{column} {what}: {len(places)} row" in message
    assert [(int(f["row"]), int(f["line"])) for f in failed if (f["column"], f["problem"]) == (column, what)] == places
    assert {f["file"] for f in failed} == {"data/rows.csv"}
    assert f"data/rows.csv line {places[0][1]}: " in message


def test_a_fault_of_a_check_and_of_the_target_is_reported_once(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": "\n".join(BODY) + "\n"})
    message, _ = refused(tmp_path, checks={"label": {"not_null": True}})
    assert message.count("label is missing") == 1


def test_the_same_fault_in_several_files_is_reported_together(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a/1.csv": "sentence,label\nx,maybe\n",
            "a/2.csv": "sentence,label\nx,yes,\ny,no\n",
            "v.csv": csv(2) + "x,so\n",
        },
    )
    message, failed = refused(tmp_path, source="a/*.csv", split={"valid": "v.csv", "test": 0.1})
    assert "label is not one of: no, yes: 2 rows\n      a/1.csv line 2: 'maybe'\n      v.csv line 4: 'so'" in message
    assert len(failed) == 3


def test_labels_are_checked_without_being_asked(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": "\n".join(BODY) + "\n"})
    message, failed = refused(tmp_path)
    assert "label is missing: 1 row\n      data/rows.csv line 9: (missing)" in message
    assert "label is not one of: no, yes: 1 row\n      data/rows.csv line 7: 'maybe'" in message
    assert [(f["column"], f["line"], f["value"]) for f in failed] == [("label", "9", ""), ("label", "7", "maybe")]


@pytest.mark.parametrize(
    ("check", "what"),
    [
        ({"min": 20}, "rows are too few: 16, and data.checks.rows.min is 20"),
        ({"max": 10}, "rows are too many: 16, and data.checks.rows.max is 10"),
        ({"duplicates": False}, "rows occur twice: 1 row\n      data/rows.csv line 4: ''"),
    ],
)
def test_a_check_of_the_rows(tmp_path: Path, check: dict[str, Any], what: str) -> None:
    lines = csv().splitlines()
    lines[3] = lines[1]
    write(tmp_path, {"data/rows.csv": "\n".join(lines)})
    assert what in refused(tmp_path, checks={"rows": check})[0]


def test_checks_that_pass_print_nothing_and_an_old_report_is_removed(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": csv(), "artifacts/data/failed_rows.csv": "old"})
    data_splits(
        tmp_path,
        checks={
            "sentence": {
                "not_null": True,
                "unique": True,
                "min_length": 10,
                "max_length": 11,
                "matches": r"sentence \d+",
            },
            "label": {"in": ["no", "yes"]},
            "rows": {"min": 16, "max": 16, "duplicates": False},
        },
    )
    assert not (tmp_path / "artifacts/data/failed_rows.csv").exists()


def test_many_failures_are_counted_and_the_first_shown_short(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": "sentence,label\n" + f"{'x' * 500},no\n" * 12})
    message, failed = refused(tmp_path, checks={"sentence": {"max_length": 100}})
    assert "12 rows" in message
    assert "and 7 more" in message
    assert max(map(len, message.splitlines())) < 130
    assert [f["value"] for f in failed] == ["x" * 500] * 12


def test_rows_with_another_number_of_columns(tmp_path: Path) -> None:
    lines = csv().splitlines()
    lines.insert(3, "one, two,no")
    lines.insert(6, "")
    lines.insert(9, "lonely")
    lines[12] = "sentence 9,what"
    write(tmp_path, {"data/rows.csv": "\n".join(lines)})
    message, failed = refused(tmp_path)
    assert "rows have 3 columns, not 2: 1 row\n      data/rows.csv line 4: 'one, two,no'" in message
    assert [(f["problem"], f["line"]) for f in failed] == [
        ("have 3 columns, not 2", "4"), ("have 1 columns, not 2", "10"), ("is not one of: no, yes", "13"),
    ]  # fmt: skip


@pytest.mark.parametrize("format", [{}, {"columns": ["sentence", "label"], "header": True}])
def test_lines_count_from_the_header(tmp_path: Path, format: dict[str, Any]) -> None:
    write(tmp_path, {"data/rows.csv": "sentence,label\na,no\nb,never,\nc,never\n"})
    _, failed = refused(tmp_path, format=format)
    assert [(f["row"], f["line"]) for f in failed] == [("2", "3"), ("3", "4")]


def test_lines_count_from_the_top_without_a_header(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": "a,no\nb,never,\nc,never\n"})
    _, failed = refused(tmp_path, format={"columns": ["sentence", "label"]})
    assert [(f["row"], f["line"]) for f in failed] == [("2", "2"), ("3", "3")]


def test_lines_of_json(tmp_path: Path) -> None:
    lines = ['{"sentence": "a", "label": "no"}', "", '{"sentence": ', "[1]", '{"sentence": "b", "label": 7}']
    write(tmp_path, {"data/rows.jsonl": "\n".join(lines)})
    message, failed = refused(tmp_path, source="data/rows.jsonl")
    assert "rows are not JSON: 1 row\n      data/rows.jsonl line 3: '{\"sentence\":'" in message
    assert [(f["problem"], f["line"]) for f in failed] == [
        ("are not JSON", "3"), ("are not a JSON object", "4"), ("is not one of: no, yes", "5"),
    ]  # fmt: skip


def test_lines_of_json_without_the_column(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.jsonl": '{"text": "a", "label": "no"}\n' * 8})
    with pytest.raises(StageError, match=r"data/rows\.jsonl has no column `sentence`"):
        data_splits(tmp_path, source="data/rows.jsonl")


def test_numbers_that_are_no_numbers(tmp_path: Path) -> None:
    values = ["1", "2,5", "1_000", "inf", "1e200", "0x10", " 3 "]
    write(tmp_path, {"data/rows.tsv": "x\tlabel\n" + "".join(f"{v}\tno\n" for v in values)})
    message, failed = refused(tmp_path, source="data/rows.tsv", inputs={"x": "number"})
    assert [f["value"] for f in failed if f["problem"] == "is not a number"] == ["2,5", "1_000", "0x10"]
    assert [f["value"] for f in failed if f["problem"] == "is larger than 1e+150"] == ["inf", "1e200"]
    assert "2 data checks failed" in message


@pytest.mark.parametrize(
    ("contents", "settings", "what"),
    [
        ("sentence,label\na,no\nca\xe9,yes\n".encode("latin-1"), {}, r"line 3: the byte 0xe9 is not valid utf-8"),
        (b"", {}, r"data/rows.csv is empty \(0 bytes\)"),
        ("sentence,label\n", {}, "data/rows.csv has no rows"),
        ("text,label\na,no\n", {}, "data/rows.csv has no column `sentence`"),
        ("sentence,label,label\na,no,no\n", {}, "has 2 columns named `label`"),
        (csv(), {"format": {"columns": ["a", "sentence", "label"]}}, "has 2 columns in every row, not 3"),
        (csv(), {"checks": {"age": {"min": 0}}}, "data.checks names a column `age`, but the data has no such column"),
        (csv(), {"split": {"group": "who"}}, "data.split.group is `who`, but the data has no such column"),
        (csv(), {"split": {"column": "part"}}, "data.split.column is `part`, but the data has no such column"),
        (csv(), {"split": {"column": "sentence"}}, "sentence is not one of: train, valid, test: 16 rows"),
        (csv(2), {}, "the split has no rows for"),
        (csv(1), {}, "the split has no rows for valid: the data has 1 row"),
        (b"PAR1 not really", {"format": {"type": "parquet"}}, "cannot read data/rows.csv as parquet"),
        (csv(), {"source": "data/other.csv"}, "no data found at data/other.csv"),
        (
            csv(),
            {"source": "data/*.csv", "format": {"type": "images"}, "inputs": {"i": "image"}},
            "contains no images",
        ),
    ],
)
def test_data_that_cannot_be_used(tmp_path: Path, contents: str | bytes, settings: dict[str, Any], what: str) -> None:
    write(tmp_path, {"data/rows.csv": contents})
    with pytest.raises(StageError, match=what) as caught:
        data_splits(tmp_path, **settings)
    assert str(tmp_path) not in caught.value.message


def test_a_column_of_lists_is_not_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"sentence": [["a"]] * 4, "label": ["no", "yes"] * 2}), tmp_path / "a.parquet")
    with pytest.raises(StageError, match="`sentence` has the type list"):
        data_splits(tmp_path, source="a.parquet")


def test_names_that_the_message_could_trip_over(tmp_path: Path) -> None:
    write(tmp_path, {"a b/x{y}.jsonl": json.dumps({"sentence": "\x1b[31mred\n", "label": "\u202e"}) + "\n"})
    message, _ = refused(tmp_path, source="a b/*.jsonl")
    assert "\x1b" not in message
    assert "\u202e" not in message


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": csv()})
    data_splits(tmp_path)
    names = sorted(p.name for p in (tmp_path / "artifacts/data").iterdir())
    record = ["decisions.json", "origins.parquet", "profile.json", "schema.json"]
    assert names == [*record, "test.parquet", "train.parquet", "valid.parquet"]
    assert read(tmp_path, "schema.json") == {
        "inputs": {"sentence": {"type": "text"}},
        "target": {"column": "label", "type": "class", "labels": ["no", "yes"]},
    }


def test_a_slice_by_a_missing_column_is_reported_before_training(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": csv()})
    plain = job(tmp_path, spec())
    requested = replace(plain, sections={**plain.sections, "evaluate": EvaluateSpec(slices=["lable"])})
    with pytest.raises(StageError, match=r"evaluate\.slices: the data has no column `lable`") as caught:
        work.main(requested)
    assert caught.value.help == "did you mean `label`?"
    assert not (tmp_path / "artifacts" / "data").exists()
