"""What is allowed and hardly wanted is told, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.parts.data.project import csv, data_splits, write

INPUTS = {"sentence": "text", "size": "number", "town": "category"}
HEADER = "sentence,size,town,label,split"


def lines(*rows: str) -> dict[str, str]:
    return {"data/rows.csv": "\n".join([HEADER, *rows]) + "\n"}


def warnings_of(root: Path, files: dict[str, str], capsys: pytest.CaptureFixture[str], **settings: Any) -> list[str]:
    write(root, files)
    data_splits(root, inputs=INPUTS, split={"column": "split"}, **settings)
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]


GOOD = ("a,1,Bonn,no,train", "b,2,Ulm,yes,train", "c,3,Bonn,no,valid", "d,4,Ulm,yes,valid", "e,5,Bonn,no,test",
        "f,6,Ulm,yes,test")  # fmt: skip


def test_valid_data_has_no_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert warnings_of(tmp_path, lines(*GOOD), capsys) == []
    write(tmp_path, {"data/rows.csv": csv(60)})
    data_splits(tmp_path)
    assert "warning" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (("f,6,Ulm,yes,test", "f,6,Ulm,no,test"), "test has no row with the label `yes`"),
        (("b,2,Ulm", "b,1,Ulm"), "`size` has a single value in train, so the model can learn nothing from it"),
        (("a,1,Bonn,no,train", "a,1,,no,train"), None),
        (
            ("e,5,Bonn", "a,1,Bonn"),
            "1 of 2 rows of test have the same inputs as a row of train: its metrics are too optimistic",
        ),
    ],
)
def test_probable_mistakes_are_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], warning: str | None
) -> None:
    rows = [row.replace(*change) for row in GOOD]
    assert rows != list(GOOD)
    assert warnings_of(tmp_path, lines(*rows), capsys) == ([f"warning: {warning}"] if warning else [])


def test_a_column_without_a_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row.replace("Bonn", "").replace("Ulm", "") for row in GOOD]
    assert warnings_of(tmp_path, lines(*rows), capsys) == ["warning: `town` is missing in every row of train"]


@pytest.mark.parametrize(
    "day",
    [
        "2024-01-{:02}",
        "2024/01/{:02}",
        "{:02}.01.2024",
        "1/{}/24",
        "2024-01-{:02} 12:00",
        "{}.1.2024",
        "2024-{:02}",
        "202401{:02}",
        "{}-Jan-24",
        "{} January 2024",
        "Jan {} 2024",
        "Jan {}",
    ],
)
def test_dates_and_what_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], day: str) -> None:
    rows = [
        row.replace("Bonn", day.format(number + 1)).replace("Ulm", day.format(9)) for number, row in enumerate(GOOD)
    ]
    assert len(warnings_of(tmp_path, lines(*rows), capsys)) == (day != "Jan {}")


@pytest.mark.parametrize("twin", ["bonn", "\u200bBonn", "Bo\u00adnn", "\uff22onn"])
def test_values_that_look_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str], twin: str) -> None:
    (result,) = warnings_of(tmp_path, lines(*GOOD, f"g,7,{twin},no,train"), capsys)
    assert result.startswith("warning: `town` has values that differ only in case, spaces or invisible characters: ")
    assert "`Bonn`" in result


@pytest.mark.parametrize("day", ["2024-01-{:02} 12:00"])
def test_dates(tmp_path: Path, capsys: pytest.CaptureFixture[str], day: str) -> None:
    rows = [row.replace("Bonn", day.format(number)).replace("Ulm", day.format(9)) for number, row in enumerate(GOOD)]
    (result,) = warnings_of(tmp_path, lines(*rows), capsys)
    assert result.startswith("warning: `town` contains dates; dates that do not occur in train are treated as unknown")


def test_a_rare_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = [f"s{i},{i},Bonn,no,train" for i in range(200)]
    (result,) = warnings_of(tmp_path, lines(*GOOD, *more), capsys)
    assert result == "warning: train has fewer than 5 rows with the label `yes`"


def test_an_identifier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = [f"s{i},{i},T{i},{'no' if i % 2 else 'yes'},train" for i in range(200)]
    (result,) = warnings_of(tmp_path, lines(*GOOD, *more), capsys)
    assert result == "warning: `town` has 202 values in 202 rows of train: is it an identifier?"


def test_numbers_that_count_rows_and_columns_that_reveal_the_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """120 rows of train: an identifier without gaps, and a town that only rows with the label `yes` have."""

    def warned(size: int, town: str) -> list[str]:
        rows = [f"text {i},{size * i},{town if i % 3 else ''},{'yes' if i % 3 else 'no'},train" for i in range(120)]
        rows += [
            f"other {i},{9000 + i},{town},{'yes' if i % 2 else 'no'},{('valid', 'test')[i // 4]}" for i in range(8)
        ]
        return warnings_of(tmp_path, lines(*rows), capsys)

    assert warned(1, "Bonn") == [
        "warning: `size` has a different integer in each of 120 rows of train: is it an identifier?",
        "warning: `town` is filled in only where the label is `yes`: is it known only after the label?",
    ]
    assert warned(3, "") == ["warning: `town` is missing in every row of train"]
    rows = [f"text {i},{3 * i},{'Bonn' if i % 4 else ''},{'yes' if i % 3 else 'no'},train" for i in range(120)]
    rows += [f"other {i},{9000 + i},,{'yes' if i % 2 else 'no'},{('valid', 'test')[i // 4]}" for i in range(8)]
    assert warnings_of(tmp_path, lines(*rows), capsys) == []
