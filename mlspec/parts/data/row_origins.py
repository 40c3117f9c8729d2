"""The file and row that each row of a split comes from, so that later stages can report them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.parts.data.raw_rows import Raw, RowPlace
from mlspec.sections.data import SPLITS

FILE = "data/origins.parquet"


def place(sources: Mapping[str, Raw], rows: Mapping[str, Sequence[int]], split: str, at: int) -> RowPlace:
    """The file and row that row `at` of a split, counted from 0, comes from."""
    source, row = origin(sources, rows, split, at)
    return sources[source].place(row)


def origin(sources: Collection[str], rows: Mapping[str, Sequence[int]], split: str, at: int) -> tuple[str, int]:
    """The source of a row of a split, as a key of `DataSpec.sources`, and the row's index there."""
    return (split, at) if split in sources else ("", rows[split][at])


def write(
    folder: Path,
    sources: Mapping[str, Raw],
    rows: Mapping[str, Sequence[int]],
    collected: Sequence[tuple[str, int]] = (),
) -> None:
    """Write one row for each row of each split: `split`, `file`, `row` and `line`, both counted from 1.

    `row` is 0 if the file is one row, `line` is 0 if the file has no lines. `collected` names the files whose rows
    follow those of `train`, with the number of rows of each.
    """
    columns: dict[str, list[object]] = {"split": [], "file": [], "row": [], "line": []}
    for split in SPLITS:
        count = sources[split].table.num_rows if split in sources else len(rows[split])
        for at in range(count):
            source, row = origin(sources, rows, split, at)
            place = sources[source].place(row)
            line = sources[source].line(row)
            for name, value in zip(columns, (split, place.file, place.row, line), strict=True):
                columns[name].append(value)
        for file, added in collected if split == "train" else ():
            columns["split"] += [split] * added
            columns["file"] += [file] * added
            columns["row"] += range(1, added + 1)
            columns["line"] += [0] * added
    words = {name: pa.array(columns[name], pa.string()).dictionary_encode() for name in ("split", "file")}
    table = pa.table({**words, **{name: pa.array(columns[name], pa.int64()) for name in ("row", "line")}})
    pq.write_table(table, folder / Path(FILE).name, compression="zstd")
