"""Lines of a plan in a terminal: broken between words, and continued further in."""

from __future__ import annotations

import pytest

from mlspec.cli.plan_text import wrapped

LINE = "~ lambda function cola description: " + " ".join(f"word-{n}/with.parts" for n in range(12)) + " -> none"


@pytest.mark.parametrize("columns", [60, 100])
def test_no_word_is_broken(columns: int) -> None:
    lines = wrapped(LINE, columns, indent=2)
    assert " ".join(line.strip() for line in lines) == LINE
    assert len(lines) > 1
    assert lines[0].startswith("  ~ ")
    assert all(line.startswith("      ") for line in lines[1:])
    assert max(map(len, lines)) <= columns


def test_a_line_that_fits_and_one_for_a_pipe_stay_whole() -> None:
    assert wrapped(LINE, None, indent=2) == [f"  {LINE}"]
    assert wrapped(LINE, len(LINE) + 2, indent=2) == [f"  {LINE}"]
    assert len(wrapped(LINE, len(LINE) + 1, indent=2)) == 2


def test_a_word_without_a_space_stays_whole() -> None:
    digest = "sha256:" + "a" * 64
    assert wrapped(f"+ image {digest}", 40, indent=2) == ["  + image", f"      {digest}"]
