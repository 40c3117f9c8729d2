"""Failures to an error message with the first few rows of each, and a csv file with all of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from mlspec.errors import StageError
from mlspec.job import Job, write_text
from mlspec.parts.data import jsonl, separated
from mlspec.parts.data.cell_values import brief
from mlspec.parts.data.missing_values import nulls_edit
from mlspec.parts.data.raw_rows import Failure
from mlspec.sections.data import DataSpec

FILE = "data/failed_rows.csv"
SHOWN = 5
MOST = 20
"""Maximum number of failures in the message; the csv file has all."""


def refusal(job: Job, data: DataSpec, failures: Sequence[Failure]) -> StageError:
    """The error that stops the stage. Writes every failing row to a csv file."""
    lines = _line_numbers(data, job.root, failures)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["column", "problem", "file", "row", "line", "value"])
    for failure in failures:
        for place in failure.places:
            number = lines.get(place[:2], "")
            writer.writerow([failure.column, failure.what, place.file, place.row or "", number, _whole(place.value)])
    write_text(job.outputs / FILE, out.getvalue())
    details = [line for failure in failures[:MOST] for line in _details(failure, lines)]
    if len(failures) > MOST:
        details.append(f"and {len(failures) - MOST} more failed checks")
    what = f"{len(failures)} data check{'s' if len(failures) != 1 else ''} failed:"
    where = (job.outputs / FILE).relative_to(job.root).as_posix()
    edits = list(dict.fromkeys([*(failure.help for failure in failures if failure.help), *_null_edits(data, failures)]))
    general = f"fix the data, or the `data` section; all failing rows are in {where}"
    codes = {failure.code for failure in failures if failure.code}
    code = codes.pop() if len(codes) == 1 else ""
    return StageError("\n  ".join([what, *details]), help="\n".join([*edits, general]), code=code)


def _null_edits(data: DataSpec, failures: Sequence[Failure]) -> Iterator[str]:
    """One edit of `format.nulls` for the words of all columns: it keeps those that the spec lists already."""
    declared = dict.fromkeys(data.format.nulls if data.format.nulls is not None else ("",))
    words = {True: dict[str, None](), False: dict[str, None]()}
    for failure in failures:
        kind = data.columns[failure.column].type if failure.column in data.columns else ""
        words[kind == "number"].update(dict.fromkeys(failure.nulls))
    numbers, categories = {**declared, **words[True]}, words[False]
    if categories:
        yield (
            f"if it means missing: {nulls_edit({**numbers, **categories})}; "
            f"if it is a value: {nulls_edit(word for word in numbers if word not in categories)}"
        )
    elif words[True]:
        yield f"if it means a missing value: {nulls_edit(numbers)}"


def _details(failure: Failure, lines: Mapping[tuple[str, int], int]) -> Iterator[str]:
    count = len(failure.places)
    yield f"{failure.column} {failure.what}" + (f": {count} row{'s' if count != 1 else ''}" if count else "")
    for place in failure.places[:SHOWN]:
        number = lines.get(place[:2])
        where = f" line {number}" if number else f" row {place.row}" if place.row else ""
        yield f"    {place.file}{where}: {brief(place.value)}"
    if count > SHOWN:
        yield f"    and {count - SHOWN} more"


def _line_numbers(data: DataSpec, root: Path, failures: Sequence[Failure]) -> dict[tuple[str, int], int]:
    """The line on which each failing row of a text file begins: a csv row may span several lines."""
    rows_of: dict[str, set[int]] = {}
    for failure in failures:
        for place in failure.places:
            if place.row:
                rows_of.setdefault(place.file, set()).add(place.row)
    line_reader = {"csv": separated.lines, "tsv": separated.lines, "jsonl": jsonl.lines, "json": jsonl.lines}.get(
        data.written_as
    )
    numbers: dict[tuple[str, int], int] = {}
    for file, rows in rows_of.items():
        if line_reader is not None and (root / file).is_file():
            begins = islice(line_reader(data, root / file), max(rows))
            lines = {(file, row): line for row, line in enumerate(begins, start=1) if row in rows}
            # In a JSON list on a single line the row number is more useful.
            numbers |= lines if len(set(lines.values())) == len(lines) else {}
    return numbers


def _whole(value: object) -> object:
    return brief(value) if isinstance(value, bytes) else "" if value is None else value
