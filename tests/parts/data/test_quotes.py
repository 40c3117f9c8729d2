"""The check of quotes leaves out rows without any, and says what the csv module says of the whole text."""

from __future__ import annotations

import csv
import io
import random
import re
from typing import Any

import pytest

from mlspec.errors import StageError
from mlspec.parts.data.quotes import Dialect, reader, well_quoted
from tests.parts.data.project import spec

PIECES = ["a", "b", ",", '"', '"', "\n", "\n", "\r\n", "\r", " ", "\\", "é", '""', ',"', '"\n', "x,y\n"]
END = "end of the file"


def whole(text: str, format: dict[str, Any], dialect: Dialect) -> tuple[int, bool] | None:
    """The line of the first fault, and whether it is an open quote; None where there is none."""
    strict, trim = format.get("escape") != "", bool(format.get("trim"))
    text = re.sub(r'"[^\S\r\n,]+(?=[\r\n]|,|\Z)', '"', text) if trim else text
    begins, before, last = 0, 0, [END]
    rows = reader(io.StringIO(text if strict else f"{text}\n{END}", newline=""), dialect, trim, strict)
    try:
        for last in rows:  # noqa: B007 - read behind the loop
            begins, before = rows.line_num, begins
    except csv.Error as error:
        return begins + 1, "unexpected end" in str(error)
    return None if strict or last == [END] else (before + 1, True)


def quote_error(text: str, format: dict[str, Any], dialect: Dialect) -> tuple[int, bool] | None:
    try:
        well_quoted(spec(format=format), text.encode(), "a.csv", dialect, 1)
    except StageError as error:
        line = re.search(r"line (\d+)", error.message)
        assert line
        return int(line[1]), "never closed" in error.message
    return None


@pytest.mark.parametrize("format", [{}, {"escape": ""}, {"escape": "\\"}, {"trim": True}], ids=str)
def test_the_first_fault_is_the_same(format: dict[str, Any]) -> None:
    dice = random.Random(0)
    dialect = Dialect(",", True, format.get("escape", ""))
    faults = 0
    for _ in range(2000):
        text = "".join(dice.choices(PIECES, k=dice.randint(1, 30)))
        expected = whole(text, format, dialect) if '"' in text else None
        faults += expected is not None
        assert quote_error(text, format, dialect) == expected, text
    assert faults > 100
