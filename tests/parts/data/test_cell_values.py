"""How messages show a single value of the data: no two texts look alike."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlspec.parts.data.cell_values import listed, shown

SHOWN = {
    "yes": "`yes`",
    " yes": "` yes`",
    "don't": "`don't`",
    'a "word"': '`a "word"`',
    "C:\\data": "`C:\\data`",
    "café": "`café`",
    "a`b": "`'a`b'`",
    "`yes`": "`'`yes`'`",
    "two\nlines": r"`'two\nlines'`",
    r"two\nlines": r"`two\nlines`",
    "yes\u200b": r"`'yes\u200b'`",
    "'yes'": "`\"'yes'\"`",
    r"'two\nlines'": r"""`"'two\\nlines'"`""",
    "": "``",
}


@pytest.mark.parametrize(("value", "expected"), SHOWN.items())
def test_an_ambiguous_text_is_shown_in_quotes(value: str, expected: str) -> None:
    assert shown(value) == expected


def test_other_values_are_shown_as_in_a_csv_file() -> None:
    assert listed([True, 1.0, datetime.date(2020, 1, 2)]) == "`true`, `1`, `2020-01-02`"


TEXTS = st.text(st.sampled_from("ab`'\" \\n\n\t\u200b"), max_size=6)


@given(TEXTS, TEXTS)
def test_two_texts_never_look_alike(one: str, other: str) -> None:
    assert (shown(one) == shown(other)) == (one == other)
