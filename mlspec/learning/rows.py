"""A split's parquet file to features and targets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from mlspec.errors import StageError
from mlspec.runtime.errors import BadRow
from mlspec.runtime.preprocess import Feature, Preprocess


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


def schema(data: Path) -> dict[str, Any]:
    """`schema.json` of the data folder."""
    path = data / "schema.json"
    if not path.exists():
        raise StageError("there is no data yet", help="run the data stage first: mlspec apply --until data")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def records(path: Path, inputs: Sequence[str]) -> tuple[Any, list[dict[str, Any]]]:
    """A split's table, and its rows as requests would have them."""
    if not path.exists():
        raise StageError(f"{path.name} is not there", help="run the data stage first: mlspec apply --until data")
    table = pq.read_table(path)
    return table, table.select(list(inputs)).to_pylist()


def load(data: Path, split: str, preprocess: Preprocess) -> Rows:
    """One split, preprocessed."""
    described = schema(data)
    table, rows = records(data / f"{split}.parquet", list(described["inputs"]))
    target = described["target"]
    kind = np.int64 if target["type"] == "class" else np.float32
    targets = table[target["column"]].to_numpy().astype(kind)
    try:
        features = preprocess.features(rows)
    except BadRow as error:
        raise StageError(
            f"{split}.parquet: {error}", help="mend or remove that row in the data; data.checks can catch its like"
        ) from None
    return Rows(table, features, targets)
