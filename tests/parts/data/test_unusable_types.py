"""Columns of types that no input or target has: refused with the row, the value and an edit that leads to the table."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlspec.errors import StageError
from tests.parts.data.project import data_splits, rows

EDIT = re.compile(r"pandas: `(df\[.*?)`(?: |$)", re.MULTILINE)
DAYS = [datetime.timedelta(1), datetime.timedelta(2)]
TIMES = [datetime.time(1), datetime.time(2)]
COLUMNS: dict[str, pa.Array] = {
    "binary": pa.array([b"no", b"yes"] * 8),
    "binary-of-a-fixed-size": pa.array([b"ab", b"cd"] * 8, pa.binary(2)),
    "large-binary": pa.array([b"no", b"yes"] * 8, pa.large_binary()),
    "dictionary-of-binary": pa.array([b"no", b"yes"] * 8).dictionary_encode(),
    "duration": pa.array(DAYS * 8),
    "time": pa.array(TIMES * 8),
}
NESTED: dict[str, pa.Array] = {
    "list": pa.array([["no"], ["yes"]] * 8),
    "struct": pa.array([{"a": "no"}, {"a": "yes"}] * 8),
    "map": pa.array([[("a", "no")], [("a", "yes")]] * 8, pa.map_(pa.string(), pa.string())),
}
ROLES: dict[str, dict[str, Any]] = {
    "labels-left-out": {"inputs": {"x": "number"}, "target": {"column": "y"}},
    "labels": {"inputs": {"x": "number"}, "target": {"column": "y", "labels": ["no", "yes"]}},
    "category": {"inputs": {"y": "category"}, "target": {"column": "z"}},
    "text": {"inputs": {"y": "text"}, "target": {"column": "z"}},
    "number": {"inputs": {"y": "number"}, "target": {"column": "z"}},
    "target-number": {"inputs": {"x": "number"}, "target": {"column": "y", "type": "number"}},
}
TEXTS = frozenset({"category", "text"})
NUMBERS = frozenset({"number", "target-number"})


def written(root: Path, column: pa.Array) -> None:
    other = {"x": list(range(16)), "z": ["no", "yes"] * 8}
    pq.write_table(pa.table({"y": column, **other}), root / "a.parquet")


def refused(root: Path, role: str) -> StageError:
    with pytest.raises(StageError) as caught:
        data_splits(root, source="a.parquet", **ROLES[role])
    return caught.value


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", COLUMNS)
def test_the_edit_that_the_help_names_leads_to_the_table(tmp_path: Path, kind: str, role: str) -> None:
    pandas = pytest.importorskip("pandas")
    written(tmp_path, COLUMNS[kind])
    if "binary" in kind and role in TEXTS:
        assert {row["y"] for row in rows(data_splits(tmp_path, source="a.parquet", **ROLES[role]))} in (
            {"no", "yes"},
            {"ab", "cd"},
        )
        return
    error = refused(tmp_path, role)
    assert "a.parquet row 1: " in error.message
    (edit,) = EDIT.findall(error.help)
    df = pandas.read_parquet(tmp_path / "a.parquet")
    exec(edit, {"df": df, "pandas": pandas})
    df.to_parquet(tmp_path / "a.parquet")
    if role in NUMBERS and "binary" in kind:  # these texts are no numbers, and can now be named
        assert "a.parquet row 1: 'no'" in refused(tmp_path, role).message.replace("ab", "no")
    elif role == "labels" and kind not in ("binary", "large-binary", "dictionary-of-binary"):
        assert "is not one of: no, yes" in refused(tmp_path, role).message
    else:
        actual = {row["y"] for row in rows(data_splits(tmp_path, source="a.parquet", **ROLES[role]))}
        assert len(actual) == 2
        assert role not in NUMBERS or actual == ({86400, 172800} if kind == "duration" else {3600, 7200})


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", NESTED)
def test_nested_values_are_refused_with_the_first_one(tmp_path: Path, kind: str, role: str) -> None:
    written(tmp_path, NESTED[kind])
    error = refused(tmp_path, role)
    assert re.search(r"a\.parquet row 1: .*no", error.message)
    assert "use another column than `y`, or convert each value to a string or number in a callable" in error.help
    assert "spaces around them" not in error.help


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    written(tmp_path, pa.array([b"a", b"\xff"] * 8))
    error = refused(tmp_path, "category")
    assert "`y` has the type binary, not category: a.parquet row 2: b'\\xff'" in error.message
    assert "with the encoding of the bytes" in error.help
