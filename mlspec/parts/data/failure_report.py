"""Failures to what a person reads: a message with the first few places of each, and a csv file with all."""

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
from mlspec.parts.data.raw_rows import Failure
from mlspec.sections.data import DataSpec

FILE = "data/failed_rows.csv"
SHOWN = 5
MOST = 20
"""Failures that the message tells; the file has all."""


def refusal(job: Job, data: DataSpec, failures: Sequence[Failure]) -> StageError:
    """The error that ends the stage. Writes every failing row to a file."""
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
        details.append(f"and {len(failures) - MOST} more kinds of faults")
    what = f"{len(failures)} data check{'s' if len(failures) != 1 else ''} failed:"
    where = (job.outputs / FILE).relative_to(job.root).as_posix()
    edits = list(dict.fromkeys(failure.help for failure in failures if failure.help))
    general = f"all failing rows are in {where}; correct the data, or the spec's description of it"
    codes = {failure.code for failure in failures if failure.code}
    code = codes.pop() if len(codes) == 1 else ""
    return StageError("\n  ".join([what, *details]), help="\n".join([*edits, general]), code=code)


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
    """The line that each failing row of a text file begins on: a row of csv may take several."""
    wanted: dict[str, set[int]] = {}
    for failure in failures:
        for place in failure.places:
            if place.row:
                wanted.setdefault(place.file, set()).add(place.row)
    find = {"csv": separated.lines, "tsv": separated.lines, "jsonl": jsonl.lines, "json": jsonl.lines}.get(
        data.written_as
    )
    found: dict[tuple[str, int], int] = {}
    for file, rows in wanted.items():
        if find is not None and (root / file).is_file():
            begins = islice(find(data, root / file), max(rows))
            lines = {(file, row): line for row, line in enumerate(begins, start=1) if row in rows}
            # In a list on one line the number of the row says more.
            found |= lines if len(set(lines.values())) == len(lines) else {}
    return found


def _whole(value: object) -> object:
    return brief(value) if isinstance(value, bytes) else "" if value is None else value
