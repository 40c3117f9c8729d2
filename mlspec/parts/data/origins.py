"""Where each row of a split comes from: its file in the project and its row there, so that later stages can name it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.parts.data.raw import Raw
from mlspec.parts.data.spec import SPLITS

FILE = "data/origins.parquet"


def write(folder: Path, sources: Mapping[str, Raw], rows: Mapping[str, Sequence[int]]) -> None:
    """One row for each of all splits, in their order: `split`, `file`, `row` and `line`, both from 1.

    `row` is 0 where a file is one row, `line` where it has none.
    """
    columns: dict[str, list[object]] = {"split": [], "file": [], "row": [], "line": []}
    for split in SPLITS:
        raw = sources.get(split, sources[""])
        for at in range(raw.table.num_rows) if split in sources else rows[split]:
            place = raw.place(at)
            for name, value in zip(columns, (split, place.file, place.row, raw.line(at)), strict=True):
                columns[name].append(value)
    words = {name: pa.array(columns[name], pa.string()).dictionary_encode() for name in ("split", "file")}
    table = pa.table({**words, **{name: pa.array(columns[name], pa.int64()) for name in ("row", "line")}})
    pq.write_table(table, folder / Path(FILE).name, compression="zstd")
