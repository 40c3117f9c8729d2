"""The parquet file of a split to features and targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlspec.errors import StageError
from mlspec.learning.decoded_images import decoded
from mlspec.records.schema import Schema
from mlspec.runtime.preprocess import Feature, Preprocess
from mlspec.runtime.preprocess.base import Array, Row
from mlspec.runtime.preprocess.bundle_errors import BadRow, PrepareError
from mlspec.runtime.preprocess.image import ImagePreprocess
from mlspec.runtime.preprocess.text import TextPreprocess


@dataclass(frozen=True)
class Rows:
    """One split: its table, features and targets, in file order."""

    table: pa.Table
    features: Sequence[Feature]
    targets: Array
    """int64 [N] class indices, or float32 [N]."""

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> tuple[Feature, np.generic]:
        return self.features[index], self.targets[index]


def records(path: Path, inputs: Sequence[str]) -> tuple[pa.Table, list[Row]]:
    """The table of a split, and its inputs as rows, as in a request. Raises StageError if the file is missing."""
    if not path.exists():
        raise StageError(f"file not found: {path}", help="run the data stage: mlspec apply --until data")
    table = pq.read_table(path)
    return table, table.select(list(inputs)).to_pylist()


def load(data: Path, split: str, preprocess: Preprocess, scratch: Path) -> Rows:
    """One split, preprocessed. Raises StageError with file and line of a row that cannot be preprocessed.

    `scratch` is the folder for the pixels of decoded images.
    """
    schema = Schema.read(data.parent)
    table, rows = records(data / f"{split}.parquet", list(schema.inputs))
    kind = np.int64 if schema.task == "classification" else np.float32
    targets = table[schema.target.column].to_numpy().astype(kind)
    try:
        for member in getattr(preprocess, "members", (preprocess,)) if rows else ():
            if isinstance(member, ImagePreprocess):
                contents = [row[member.input] for row in rows]
                pixels = decoded(contents, member, data / f"{split}.parquet", scratch)
                rows = [{**row, member.input: image} for row, image in zip(rows, pixels, strict=True)]
        features = preprocess.features(rows)
    except BadRow as error:
        raise refused(error, data, split) from None
    return Rows(table, features, targets)


def refused(error: BadRow, data: Path, split: str) -> StageError:
    """The error for a row of a split that cannot be preprocessed, with its file and line."""
    own = isinstance(error, PrepareError)
    return StageError(
        f"{origin(data, split, error.index)}: {f'`{error.input}` ' if error.input else ''}{error.message}",
        help=(getattr(error, "help", "") or "fix the error in your preprocessing class (model.preprocess)")
        if own
        else "fix or remove the row; to reject such rows early, add a check to data.checks",
    )


def texts_cut(rows: Rows, preprocess: Preprocess, split: str) -> Iterator[str]:
    """A warning for each text input with texts longer than model.max_length."""
    for member in getattr(preprocess, "members", (preprocess,)):
        if isinstance(member, TextPreprocess):
            most = member.max_length
            full = [at for at, feature in enumerate(rows.features) if len(feature["input_ids"]) >= most]
            count = member.cut(rows.table.select(member.inputs).take(full).to_pylist()) if full else 0
            if count:
                yield (
                    f"{count} of {len(rows)} rows of {split} have more than {most} tokens and are truncated "
                    "(model.max_length)"
                )


def origin(data: Path, split: str, row: int) -> str:
    """The file and line of a row of a split: `data/rows.csv line 7`; in a file without lines its row."""
    path = data / "origins.parquet"
    here = f"row {row + 1} of {split}.parquet"
    if not path.exists():
        return here
    table = pq.read_table(path)
    rows = table.filter(pc.equal(table["split"].cast(pa.string()), split)).slice(row, 1).to_pylist()
    if not rows:
        return here
    place = rows[0]
    if place.get("line"):
        return f"{place['file']} line {place['line']}"
    return f"{place['file']}" + (f" row {place['row']}" if place["row"] else "")
