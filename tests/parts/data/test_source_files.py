"""A path, folder or glob to files: links, placeholders, odd names, and what is left out."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlspec.errors import StageError
from mlspec.parts.data.source_files import files
from tests.parts.data.project import csv, data_splits, read, rows, table, write

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12\n"
PAGE = "<!DOCTYPE html>\n<html><body>Sign in</body></html>\n"
ERROR = '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>'


def decisions_of(root: Path) -> str:
    return "\n".join(f"{d['subject']}: {d['reading']}" for d in read(root, "decisions.json")["decisions"])


def refused(root: Path, **settings: Any) -> StageError:
    with pytest.raises(StageError) as caught:
        data_splits(root, **settings)
    return caught.value


@pytest.mark.parametrize("name", ["data/rows.csv", "data/rows.parquet", "data/rows.jsonl", "data/rows.csv.gz"])
@pytest.mark.parametrize(
    ("text", "what", "help"),
    [
        (POINTER, "is a git-lfs pointer", "git lfs pull"),
        (PAGE, "is a web page", "download the data again"),
        (ERROR, "is an XML error message", "download the data again"),
        ("", "is empty (0 bytes)", "write or download it again"),
    ],
)
def test_a_placeholder_is_not_data(tmp_path: Path, name: str, text: str, what: str, help: str) -> None:
    write(tmp_path, {name: text})
    error = refused(tmp_path, source=name)
    assert error.message.startswith(f"{name} {what}")
    assert help in error.help


def test_a_table_that_begins_with_markup_is_data(tmp_path: Path) -> None:
    table = "\n".join(f"<html>{i}</html>,{'yes' if i % 2 else 'no'}" for i in range(16))
    write(tmp_path, {"data/rows.csv": table})
    assert len(rows(data_splits(tmp_path, format={"columns": ["sentence", "label"]}))) == 16


def test_data_behind_a_link_out_of_the_project(tmp_path: Path) -> None:
    root = tmp_path / "project"
    write(tmp_path, {"disk/rows.csv": csv(), "project/mlproject.yaml": ""})
    (root / "data").symlink_to(tmp_path / "disk")
    assert len(rows(data_splits(root))) == 16
    assert f"files: data links to a path outside the project: {tmp_path / 'disk'}" in decisions_of(root)


def test_a_linked_folder_inside_of_the_data_is_declared(tmp_path: Path) -> None:
    root = tmp_path / "project"
    write(tmp_path, {"disk/b.csv": csv(), "project/data/a.csv": csv()})
    (root / "data/more").symlink_to(tmp_path / "disk")
    for source in ("data", "data/**/*.csv"):
        error = refused(root, source=source, format={"type": "csv"})
        assert "data/more is a link to a folder" in error.message
        assert "deps: [data/more]" in error.help
        assert len(rows(data_splits(root, source=source, format={"type": "csv"}, deps=["data/more"]))) == 32


@pytest.mark.parametrize("source", ["data", "data/**/*.csv"])
def test_dangling_and_circular_links(tmp_path: Path, source: str) -> None:
    write(tmp_path, {"data/a.csv": csv()})
    link = tmp_path / "data/more.csv"
    link.symlink_to("nowhere.csv")
    assert (
        "data/more.csv is a broken link to nowhere.csv"
        in refused(tmp_path, source=source, format={"type": "csv"}).message
    )
    link.unlink()
    for target in (".", ".."):
        link.symlink_to(target)
        error = refused(tmp_path, source=source, format={"type": "csv"}, deps=["data/more.csv"])
        assert "data/more.csv is a link to a folder that contains it" in error.message
        link.unlink()


def test_what_dvc_tracks_and_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, {"data/a.csv": csv(), "data/b.csv.dvc": "outs: []"})
    for source in ("data", "data/*.csv"):
        error = refused(tmp_path, source=source, format={"type": "csv"})
        assert error.message == "data/b.csv is tracked by DVC but missing from the workspace"
        assert error.help == "dvc pull data/b.csv.dvc"
    write(tmp_path, {"far/leaves.dvc": "outs: []"})
    assert refused(tmp_path, source="far/leaves/*.csv").help == "dvc pull far/leaves.dvc"


def test_a_folder_whose_name_is_a_pattern(tmp_path: Path) -> None:
    write(tmp_path, {"data/[ab]/x.csv": csv()})
    assert len(rows(data_splits(tmp_path, source="data/[ab]/x.csv"))) == 16
    write(tmp_path, {"data/a/x.csv": csv(20)})
    error = refused(tmp_path, source="data/[ab]/x.csv")
    assert "is an existing path, and also a pattern that matches 1 others" in error.message
    followed = error.help.partition("source: '")[2].partition("'")[0]
    assert len(rows(data_splits(tmp_path, source=followed))) == 16


def test_endings_in_upper_case(tmp_path: Path) -> None:
    write(tmp_path, {"data/a.csv": csv(), "data/B.CSV": csv(20)})
    assert len(rows(data_splits(tmp_path, source="data/B.CSV"))) == 20
    error = refused(tmp_path, source="data/*.csv")
    assert error.message == "1 file would match data/*.csv if upper and lower case were equal: data/B.CSV"
    followed = error.help.partition("source: '")[2].partition("'")[0]
    assert len(rows(data_splits(tmp_path, source=followed, format={"type": "csv"}))) == 36


def test_several_kinds_of_tables(tmp_path: Path) -> None:
    write(tmp_path, {"data/a.csv": csv(), "data/b.jsonl": "{}"})
    error = refused(tmp_path, source="data/*", format={"type": "csv"})
    assert error.message == "data/* contains several file formats: 1 file of csv, 1 file of jsonl"


def test_files_that_are_not_tables_are_skipped_and_reported(tmp_path: Path) -> None:
    write(
        tmp_path, {f"data/{name}": csv() for name in ("a.csv", "a.csv.bak", "README.md", ".hidden.csv", ".gitignore")}
    )
    assert len(rows(data_splits(tmp_path, source="data", format={"type": "csv"}))) == 16
    assert "files: 2 of 3 files not read: .bak (1), .md (1)" in decisions_of(tmp_path)
    assert "files: 1 hidden file not read: .csv (1)" in decisions_of(tmp_path)


def test_a_hidden_file_that_is_named_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"data/.rows.csv": csv()})
    assert len(rows(data_splits(tmp_path, source="data/.rows.csv"))) == 16


def test_names_with_odd_characters(tmp_path: Path) -> None:
    for name in ("two\nlines.csv", "a b.csv", "ä.csv", "tab\t.csv"):
        write(tmp_path, {f"data/{name}": csv()})
    assert len(rows(data_splits(tmp_path, source="data/*.csv"))) == 64
    (tmp_path / os.fsdecode(b"data/\xff.csv")).write_text(csv())
    error = refused(tmp_path, source="data/*.csv")
    assert error.message == "the file name data/\\udcff.csv is not valid UTF-8"


def test_a_path_that_is_not_a_file(tmp_path: Path) -> None:
    write(tmp_path, {"data/a.csv": csv()})
    os.mkfifo(tmp_path / "data/pipe")
    with pytest.raises(StageError, match="data/pipe is not a regular file or folder"):
        files(tmp_path, "data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("source", ["data", "data/*/*.csv"])
def test_folders_that_cannot_be_listed(tmp_path: Path, source: str) -> None:
    write(tmp_path, {"data/a/a.csv": csv(), "data/b/b.csv": csv()})
    (tmp_path / "data/b").chmod(0)
    with pytest.raises(StageError, match="cannot read data/b: Permission denied"):
        files(tmp_path, source)
    (tmp_path / "data/b").chmod(0o700)


NOT_TABLES = {
    "a pointer with a byte order mark": (b"\xef\xbb\xbf" + POINTER.encode(), "is a git-lfs pointer"),
    "a pointer of hawser": (POINTER.encode().replace(b"git-lfs", b"hawser"), "is a git-lfs pointer"),
    "annex": (b"../.git/annex/objects/SHA256E-s1--ab.csv", "is a git-annex pointer"),
    "pdf": (b"%PDF-1.4\n%\xe2\xe3", "is a PDF document, not a table"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Excel or Word document, not a table"),
    "xlsx": (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml", "is an Excel or Word document"),
    "sqlite": (b"SQLite format 3\0\x10\0", "is a SQLite database, not a table"),
    "feather": (b"ARROW1\0\0", "is an Arrow (Feather) file, not a table"),
    "resource": (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", "is a macOS resource file"),
    "zeros": (b"\0" * 100, "contains a NUL character"),
}


@pytest.mark.parametrize(("contents", "what"), NOT_TABLES.values(), ids=NOT_TABLES)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_files_of_other_kinds_are_named(tmp_path: Path, name: str, contents: bytes, what: str) -> None:
    write(tmp_path, {f"data/{name}": contents})
    error = refused(tmp_path, source=f"data/{name}")
    assert f"data/{name}" in error.message
    assert what in error.message
    assert "encoding" not in error.help


def test_parquet_under_another_name(tmp_path: Path) -> None:
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(table()), out)
    write(tmp_path, {"data/a.csv": out.getvalue().to_pybytes()})
    error = refused(tmp_path, source="data/a.csv")
    assert error.message == "data/a.csv is a parquet file"
    assert "`data: {format: {type: parquet}}`" in error.help
    assert len(rows(data_splits(tmp_path, source="data/a.csv", format={"type": "parquet"}))) == 16


@pytest.mark.parametrize("text", ["%PDF,label\n", "ORC,label\n", "Objx,label\n", "{\\rt,label\n", "PAR1,label\n"])
def test_a_table_that_begins_like_another_kind(tmp_path: Path, text: str) -> None:
    name = text.partition(",")[0]
    write(tmp_path, {"data/a.csv": text + "a,no\nb,yes\n" * 8})
    assert len(rows(data_splits(tmp_path, source="data/a.csv", inputs={name: "category"}))) == 16


def test_dates_where_numbers_are_expected_are_shown_as_text(tmp_path: Path) -> None:
    out = pa.BufferOutputStream()
    pq.write_table(pa.table({"size": [datetime.datetime(2020, 1, 1, 12)] * 16, "label": ["no", "yes"] * 8}), out)
    write(tmp_path, {"data/a.parquet": out.getvalue().to_pybytes()})
    assert (
        "data/a.parquet row 1: 2020-01-01 12:00:00"
        in refused(tmp_path, source="data/a.parquet", inputs={"size": "number"}).message
    )
