"""Record batches of the prediction log to the rows that detectors read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa

from mlspec.monitoring.baseline.reference import Hashes, Reference, TextReference, is_known, unpack
from mlspec.monitoring.drift.arrays import Booleans, Floats
from mlspec.monitoring.drift.domain_classifier import text_hashes


@dataclass(frozen=True)
class LiveRows:
    """Rows in the order of their arrival. A column without any value is absent; None and NaN are missing values."""

    ids: Sequence[str]
    times: Floats
    """Seconds since 1970, UTC."""
    numbers: Mapping[str, Floats] = field(default_factory=dict)
    categories: Mapping[str, Sequence[object]] = field(default_factory=dict)
    texts: Mapping[str, Sequence[Hashes | None]] = field(default_factory=dict)
    """The word hashes of each text, by input."""

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, chosen: Booleans) -> LiveRows:
        """Some of the rows."""
        at = np.flatnonzero(chosen)
        numbers = {name: values[at] for name, values in self.numbers.items()}
        kept = at.tolist()
        categories = {name: [values[i] for i in kept] for name, values in self.categories.items()}
        texts = {name: [values[i] for i in kept] for name, values in self.texts.items()}
        return LiveRows([self.ids[i] for i in kept], self.times[at], numbers, categories, texts)

    def split(self, column: str) -> dict[str, LiveRows]:
        """The rows by the value of a category; those without a value are in none."""
        values = np.array([None if v is None else str(v) for v in self.categories.get(column, ())], dtype=object)
        names = sorted({v for v in values.tolist() if v is not None})
        return {name: self.where(np.asarray(values == name, dtype=np.bool_)) for name in names}


def vocabularies(reference: Reference) -> dict[str, Hashes]:
    """The word hashes of each text input."""
    texts = {name: c for name, c in reference.columns.items() if isinstance(c, TextReference)}
    return {name: unpack(column.vocabulary) for name, column in texts.items()}


def live_rows(batch: pa.RecordBatch, texts: Mapping[str, Hashes], absent: frozenset[str] = frozenset()) -> LiveRows:
    """The rows of a record batch of the prediction log.

    `texts` has the vocabulary of each text input. `absent` are columns that are not logged (redacted inputs): their
    nulls are not missing values. A column without a single value in the batch is still a column.
    """
    numbers: dict[str, Floats] = {}
    categories: dict[str, Sequence[object]] = {}
    hashes: dict[str, Sequence[Hashes | None]] = {}
    for name in batch.schema.names:
        column = batch.column(name)
        if name in absent or name in ("id", "time"):
            continue
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
            numbers[name] = np.where(np.isfinite(values), values, np.nan)
        else:
            categories[name] = column.to_pylist()
            text = name.removeprefix("input.")
            if text in texts:
                hashes[text] = [None if v is None else text_hashes(str(v)) for v in column.to_pylist()]
                numbers[f"unseen.{text}"] = _unseen(hashes[text], texts[text])
    times = np.array([_seconds(t) for t in batch.column("time").to_pylist()], dtype=np.float64)
    return LiveRows([str(i) for i in batch.column("id").to_pylist()], times, numbers, categories, hashes)


def _unseen(texts: Sequence[Hashes | None], vocabulary: Hashes) -> Floats:
    """The share of unknown words by text; 0 for a text without words."""
    return np.array([np.nan if t is None else _unknown_share(t, vocabulary) for t in texts], dtype=np.float64)


def _unknown_share(text: Hashes, vocabulary: Hashes) -> float:
    return 1 - float(np.mean(is_known(text, vocabulary))) if len(text) else 0.0


def _seconds(time: datetime | None) -> float:
    return float("nan") if time is None else time.timestamp()
