"""A block of ours in a file of the user's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlspec.workspace.blocks import BEGIN, END, DamagedError, put, remove, split

LINE = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=8).filter(
    lambda line: line.strip() not in (BEGIN, END)
)
TEXT = st.lists(LINE).map("\n".join)
INNER = st.lists(LINE, max_size=4).map(lambda lines: "".join(f"{line}\n" for line in lines))


@given(TEXT, INNER)
def test_what_is_put_is_found_and_its_removal_leaves_the_users_bytes(text: str, inner: str) -> None:
    created = put(text, inner)
    assert split(created).inner == inner
    assert remove(created) == (text if text.endswith("\n") or not text else text + "\n")


@given(TEXT, INNER, INNER, TEXT)
def test_a_block_is_replaced_in_place(before: str, old: str, new: str, after: str) -> None:
    text = put(before, old) + after
    assert put(text, new) == put(before, new) + after
    assert put(text, old) == text


@given(TEXT.map(lambda text: f"user\r\n{text}\r\n"), INNER)
def test_a_file_with_crlf_gets_a_block_with_crlf(text: str, inner: str) -> None:
    created = put(text, inner)
    assert f"{BEGIN}\r\n" in created
    assert split(created).inner == inner
    assert remove(created) == text


@pytest.mark.parametrize(
    "text",
    [
        f"{BEGIN}\nx\n",
        f"x\n{END}\n",
        f"{END}\n{BEGIN}\n",
        f"{BEGIN}\n{BEGIN}\n{END}\n",
        f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n",
    ],
)
def test_markers_that_are_not_one_pair_are_damaged(text: str) -> None:
    with pytest.raises(DamagedError):
        split(text)


def test_markers_may_be_indented_and_end_in_spaces() -> None:
    assert split(f"a\n  {BEGIN}  \nb\n{END}\t\nc").inner == "b\n"
