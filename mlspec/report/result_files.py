"""Text files of the pipeline to rows and lines. A file that is missing or damaged is empty, never an error: the report
of a pipeline that was killed must still be written."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

MAX_BYTES = 64 * 1024 * 1024
"""A larger text file is not one that the pipeline writes."""


def csv_rows(path: Path) -> Iterator[Mapping[str, str]]:
    """The rows of a CSV file by column name; a short row lacks its last columns."""
    try:
        for row in csv.DictReader(lines(path)):
            yield {key: value for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
    except csv.Error:
        return


def lines(path: Path) -> list[str]:
    """The lines of a text file; none where it cannot be read."""
    return _text(path).splitlines()


def tail(path: Path, count: int) -> str:
    """The last lines of a log, without terminal colours and with only the last state of a progress bar."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 400 * count))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    kept = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join(_plain(line) for line in kept[-count - 1 :]).strip("\n")


def finite(value: str | float | None) -> float | None:
    """`value` as a finite number, also from its decimal text; None for anything else."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def whole(value: str | None) -> int:
    """`value` as a count; 0 for anything else."""
    number = finite(value)
    return int(number) if number is not None else 0


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _plain(line: str) -> str:
    """`line` without escape sequences (ECMA-48 CSI) and other control characters."""
    kept, skipping = [], False
    for before, char in zip(" " + line, line, strict=False):
        if char == "\x1b":
            skipping = True
        elif skipping:
            skipping = not (char.isalpha() or (char == "~")) or (char == "[" and before == "\x1b")
        elif char == "\t" or char.isprintable():
            kept.append(char)
    return "".join(kept)
