"""A wrong delimiter is reported with the right one, whatever the values contain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import StageError
from tests.parts.data.project import data_splits, rows, write

SIGNS = {";": ";", "tab": "\t", "|": "|"}
COUNT = 16


def lines(sign: str, values: list[str], header: bool = True) -> str:
    names = [f"sentence{sign}label"] if header else []
    body = [f"{values[at % len(values)].format(at)}{sign}{['no', 'yes'][at % 2]}" for at in range(COUNT)]
    return "\n".join([*names, *body]) + "\n"


def refusal(root: Path, text: str, **settings: Any) -> StageError:
    write(root, {"data/rows.csv": text})
    with pytest.raises(StageError) as caught:
        data_splits(root, **settings)
    return caught.value


@pytest.mark.parametrize("sign", SIGNS.values(), ids=SIGNS)
@pytest.mark.parametrize(
    "values", [["a{}"], ["a, b{}"], ["a{}", "a, b{}"], ["a, b, c{}", "a{}"], ['"a, b{}"'], ['"a"", b{}"']], ids=str
)
def test_the_delimiter_is_named_whatever_the_values_contain(sign: str, values: list[str], tmp_path: Path) -> None:
    error = refusal(tmp_path, lines(sign, values))
    written = '"\\t"' if sign == "\t" else f'"{sign}"'
    assert error.message == "data/rows.csv has no column `sentence`"
    assert error.help == f"the delimiter is {written}: `data: {{format: {{delimiter: {written}}}}}`"
    assert len(rows(data_splits(tmp_path, format={"delimiter": sign}))) == COUNT


@pytest.mark.parametrize("quoted", [False, True])
def test_a_file_with_commas_read_with_another_delimiter(quoted: bool, tmp_path: Path) -> None:
    text = lines(",", ['"a; b{}"' if quoted else "a; b{}"])
    assert refusal(tmp_path, text, format={"delimiter": ";"}).help.startswith('the delimiter is ","')
    text = text.replace("sentence,label", '"sentence","label"')
    assert refusal(tmp_path, text, format={"delimiter": ";"}).help.startswith('the delimiter is ","')


@pytest.mark.parametrize("sign", SIGNS.values(), ids=SIGNS)
@pytest.mark.parametrize("value", ["a{}", "a, b, c{}"])
def test_rows_without_a_header_are_compared_by_their_number_of_values(sign: str, value: str, tmp_path: Path) -> None:
    names = {"header": False, "columns": ["sentence", "label"]}
    error = refusal(tmp_path, lines(sign, [value], header=False), format=names)
    assert error.help.startswith("the delimiter is ")
    assert len(rows(data_splits(tmp_path, format={**names, "delimiter": sign}))) == COUNT


def test_a_header_that_has_the_columns_is_not_a_reason_for_another_delimiter(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": lines(",", ["a; b{}"]).replace("sentence,label", "sentence,label,x;y")})
    with pytest.raises(StageError, match="3") as caught:
        data_splits(tmp_path)
    assert "delimiter is" not in caught.value.help
