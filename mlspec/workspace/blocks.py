"""A marked block of lines inside a file that is otherwise the user's: finding, putting and removing it. Pure text."""

from __future__ import annotations

from typing import NamedTuple

BEGIN = "# >>> mlspec >>>"
END = "# <<< mlspec <<<"


class DamagedError(ValueError):
    """The markers do not come as one pair, so which lines are ours cannot be known."""


class BlockSplit(NamedTuple):
    """A text around its block. `inner` is None where there is none; it always has plain newlines."""

    before: str
    inner: str | None
    after: str


def split(text: str) -> BlockSplit:
    """`text` taken apart at its block. Raises DamagedError."""
    lines = text.split("\n")
    begins = [i for i, line in enumerate(lines) if line.strip() == BEGIN]
    ends = [i for i, line in enumerate(lines) if line.strip() == END]
    if not begins and not ends:
        return BlockSplit(text, None, "")
    if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
        raise DamagedError
    begin, end = begins[0], ends[0]
    before = "".join(line + "\n" for line in lines[:begin])
    inner = "".join(line.removesuffix("\r") + "\n" for line in lines[begin + 1 : end])
    return BlockSplit(before, inner, "\n".join(lines[end + 1 :]))


def put(text: str, inner: str) -> str:
    """`text` with the block's lines replaced by `inner`, in its place; or with a new block at the end."""
    parts = split(text)
    block = f"{BEGIN}\n{inner}{END}\n"
    before = parts.before
    if parts.inner is None and before and not before.endswith("\n"):
        before += "\r\n" if "\r\n" in before else "\n"
    if "\r\n" in before + parts.after:
        block = block.replace("\n", "\r\n")
    return before + block + parts.after


def remove(text: str) -> str:
    """`text` without the block."""
    parts = split(text)
    return parts.before + parts.after
