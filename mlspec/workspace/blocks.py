"""A marked block of lines in a file of the user: find, replace and remove it. Pure."""

from __future__ import annotations

from typing import NamedTuple

BEGIN = "# >>> mlspec >>>"
END = "# <<< mlspec <<<"


class DamagedError(ValueError):
    """The markers are not one pair, so the block cannot be located."""


class BlockSplit(NamedTuple):
    """A text around its block. `inner` is None without a block; it always has `\n` line ends."""

    before: str
    inner: str | None
    after: str


def split(text: str) -> BlockSplit:
    """`text` split at its block. Raises DamagedError."""
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
    """`text` with the lines of the block replaced by `inner`; without a block, with a new one at the end."""
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
