"""A split's parquet file to features and targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlspec.errors import StageError
from mlspec.records.schema import Schema
from mlspec.runtime.preprocess import Feature, Preprocess
from mlspec.runtime.preprocess.bundle_errors import BadRow, PrepareError
from mlspec.runtime.preprocess.text import TextPreprocess


@dataclass(frozen=True)
class Rows:
    """One split: its columns as they are, and its features and targets, in file order."""

    table: Any
    features: Sequence[Feature]
    targets: np.ndarray[Any, np.dtype[Any]]
    """int64 [N] class indices, or float32 [N]."""

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> tuple[Feature, Any]:
        return self.features[index], self.targets[index]


def records(path: Path, inputs: Sequence[str]) -> tuple[Any, list[dict[str, Any]]]:
    """A split's table, and its rows as requests would have them."""
    if not path.exists():
        raise StageError(f"{path.name} is not there", help="run the data stage first: mlspec apply --until data")
    table = pq.read_table(path)
    return table, table.select(list(inputs)).to_pylist()


def load(data: Path, split: str, preprocess: Preprocess) -> Rows:
    """One split, preprocessed."""
    schema = Schema.read(data.parent)
    table, rows = records(data / f"{split}.parquet", list(schema.inputs))
    kind = np.int64 if schema.task == "classification" else np.float32
    targets = table[schema.target.column].to_numpy().astype(kind)
    try:
        features = preprocess.features(rows)
    except BadRow as error:
        raise refused(error, data, split) from None
    return Rows(table, features, targets)


def refused(error: BadRow, data: Path, split: str) -> StageError:
    """What to say of a row of a split that cannot be prepared: its place in the project, and why."""
    own = isinstance(error, PrepareError)
    return StageError(
        f"{origin(data, split, error.index)}: {f'`{error.input}` ' if error.input else ''}{error.message}",
        help=(getattr(error, "help", "") or "the error is in the project's own code (model.preprocess)")
        if own
        else "fix or remove that row in the data; data.checks can refuse others like it",
    )


def texts_cut(rows: Rows, preprocess: Preprocess, split: str) -> Iterator[str]:
    """What to say where texts of a split are longer than the model reads."""
    for member in getattr(preprocess, "members", (preprocess,)):
        if isinstance(member, TextPreprocess):
            most = member.max_length
            full = [at for at, feature in enumerate(rows.features) if len(feature["input_ids"]) >= most]
            count = member.cut(rows.table.select(member.inputs).take(full).to_pylist()) if full else 0
            if count:
                yield (
                    f"{count} of {len(rows)} rows of {split} have more than {most} tokens, and the rest is cut "
                    "(model.max_length)"
                )


def origin(data: Path, split: str, row: int) -> str:
    """The place in the project of a row of a split: `data/rows.csv line 7`; in a file without lines its row."""
    path = data / "origins.parquet"
    here = f"row {row + 1} of {split}.parquet"
    if not path.exists():
        return here
    table = pq.read_table(path)
    found = table.filter(pc.equal(table["split"].cast(pa.string()), split)).slice(row, 1).to_pylist()
    if not found:
        return here
    place = found[0]
    if place.get("line"):
        return f"{place['file']} line {place['line']}"
    return f"{place['file']}" + (f" row {place['row']}" if place["row"] else "")
