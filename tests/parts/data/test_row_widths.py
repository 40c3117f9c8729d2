"""Rows with more or fewer values than the header has names: the help leads to the right table, or says what to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.errors import StageError
from tests.parts.data.project import data_splits, rows, write

ROWS = [f"sentence {at},{['no', 'yes'][at % 2]}" for at in range(16)]


def refused(root: Path, header: str, lines: list[str]) -> StageError:
    write(root, {"data/rows.csv": "\n".join([header, *lines]) + "\n"})
    with pytest.raises(StageError) as caught:
        data_splits(root)
    return caught.value


def test_some_rows_lack_the_columns_without_a_name(tmp_path: Path) -> None:
    error = refused(tmp_path, "sentence,label,,", [*ROWS[:3], *(f"{row},," for row in ROWS[3:])])
    assert "rows have 2 columns, not 4: 3 rows\n      data/rows.csv line 2: 'sentence 0,no'" in error.message
    assert "delete the 2 columns without a name after `label` from the header and from every row" in error.help
    write(tmp_path, {"data/rows.csv": "\n".join(["sentence,label", *ROWS])})
    assert len(rows(data_splits(tmp_path))) == 16


def test_some_rows_end_with_separators(tmp_path: Path) -> None:
    error = refused(tmp_path, "sentence,label", [*ROWS[:14], *(f"{row}, ," for row in ROWS[14:])])
    assert "rows have 4 columns, not 2: 2 rows" in error.message
    assert "delete the trailing separators of these rows, so that each has 2 columns" in error.help
    write(tmp_path, {"data/rows.csv": "\n".join(["sentence,label", *ROWS])})
    assert len(rows(data_splits(tmp_path))) == 16


@pytest.mark.parametrize("header", ["sentence,label,note", "sentence,label,,note"])
def test_rows_that_lack_a_column_with_a_name(tmp_path: Path, header: str) -> None:
    assert refused(tmp_path, header, ROWS).help == "check data.format: columns, delimiter, quoting"
    full = f"{ROWS[0]}{',' * (header.count(',') - 1)}"
    error = refused(tmp_path, header, [full, *ROWS])
    assert "16 rows" in error.message
    assert "delete" not in error.help


def test_rows_with_a_value_behind_the_last_name(tmp_path: Path) -> None:
    """Which of them has no name, the first (a row's number) or the last, is not in the file."""
    error = refused(tmp_path, "sentence,label", [f"{at},{row}" for at, row in enumerate(ROWS)])
    assert "has 3 columns in every row, not 2" in error.message
    assert "name all 3 columns: `data: {format: {header: true, columns: [...]}}`" in error.help


def test_names_that_occur_twice_are_not_offered_as_a_list_of_columns(tmp_path: Path) -> None:
    error = refused(tmp_path, "sentence,label,label,,", [f"{row}," for row in ROWS])
    assert error.help == "check data.format: columns, delimiter, quoting"
