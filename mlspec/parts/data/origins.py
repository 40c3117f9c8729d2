"""Where each row of a split comes from: its file in the project and its row there, so that later stages can name it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.parts.data.raw import Place, Raw
from mlspec.parts.data.spec import SPLITS

FILE = "data/origins.parquet"


def place(sources: Mapping[str, Raw], rows: Mapping[str, Sequence[int]], split: str, at: int) -> Place:
    """Where the row of a split, counted from 0, is from."""
    return sources[split].place(at) if split in sources else sources[""].place(rows[split][at])


def write(folder: Path, sources: Mapping[str, Raw], rows: Mapping[str, Sequence[int]]) -> None:
    """One row for each of all splits, in their order: `split`, `file`, `row` (from 1; 0 where a file is one row)."""
    columns: dict[str, list[object]] = {"split": [], "file": [], "row": []}
    for split in SPLITS:
        count = sources[split].table.num_rows if split in sources else len(rows[split])
        for at in range(count):
            found = place(sources, rows, split, at)
            for name, value in zip(columns, (split, found.file, found.row), strict=True):
                columns[name].append(value)
    words = {name: pa.array(columns[name], pa.string()).dictionary_encode() for name in ("split", "file")}
    table = pa.table({**words, "row": pa.array(columns["row"], pa.int64())})
    pq.write_table(table, folder / Path(FILE).name, compression="zstd")
