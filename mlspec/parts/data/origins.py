"""Where each row of a split comes from: its file in the project and its row there, so that later stages can name it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.parts.data.raw import Raw
from mlspec.parts.data.spec import SPLITS

FILE = "data/origins.parquet"


def write(outputs: Path, sources: Mapping[str, Raw], rows: Mapping[str, Sequence[int]]) -> None:
    """One row for each of all splits, in their order: `split`, `file`, `row` (from 1; 0 where a file is one row)."""
    columns: dict[str, list[object]] = {"split": [], "file": [], "row": []}
    for split in SPLITS:
        raw = sources.get(split, sources[""])
        for at in range(raw.table.num_rows) if split in sources else rows[split]:
            place = raw.place(at)
            for name, value in zip(columns, (split, place.file, place.row), strict=True):
                columns[name].append(value)
    words = {name: pa.array(columns[name], pa.string()).dictionary_encode() for name in ("split", "file")}
    path = outputs / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(pa.table({**words, "row": pa.array(columns["row"], pa.int64())}), partial, compression="zstd")
    partial.replace(path)
