"""Rows that repeat others, identical or nearly: a text but for case and punctuation, a number, an image re-encoded."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from mlspec.records.schema import Schema
from mlspec.runtime.preprocess.image import opened

Vectors = npt.NDArray[np.float32]
Keys = Sequence[Hashable]

MAX_IMAGES = 5000
"""Rows of a split whose images are compared: each is compared with each."""
_SIDE = 16
"""Side of the thumbnails that are compared."""
_SAME_IMAGE = 0.02
"""Largest root-mean-square difference of two thumbnails of the same image; the range of a pixel is 1."""
_SAME_NUMBER = 1e-3
"""Numbers that differ by less are nearly identical; in standard deviations of the training split."""
_CHUNK = 512


class Match(NamedTuple):
    """A row, and the first row that it repeats."""

    row: int
    other: int
    identical: bool


def shared_rows(table: pa.Table, train: pa.Table, schema: Schema | Mapping[str, object]) -> list[Match]:
    """The rows of `table` whose inputs are also in `train`. `schema` may be the contents of `schema.json`."""
    known = _Inputs(schema, train)
    return known.matches(table, train, with_target=False)


def repeated_rows(table: pa.Table, schema: Schema | Mapping[str, object], inputs_only: bool = False) -> list[Match]:
    """The rows of `table` whose inputs and target, or whose inputs, are in an earlier row."""
    return _Inputs(schema, table).matches(table, None, with_target=not inputs_only)


def contradicting_rows(table: pa.Table, schema: Schema | Mapping[str, object]) -> list[Match]:
    """The rows of `table` with the inputs of another row and another target; each with the first such row."""
    inputs = _Inputs(schema, table)
    keys, targets = inputs.exact(table), table[inputs.target].to_pylist()
    rows: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    matches = []
    for same in rows.values():
        for row in same:
            other = next((o for o in same if targets[o] != targets[row]), None)
            if other is not None:
                matches.append(Match(row, other, identical=True))
    return sorted(matches)


class _Inputs:
    """The inputs of a schema, and how rows of them are compared; numbers by their spread in `train`."""

    def __init__(self, schema: Schema | Mapping[str, object], train: pa.Table) -> None:
        known = schema if isinstance(schema, Schema) else Schema.model_validate(schema)
        self.types = {name: column.type for name, column in known.inputs.items()}
        self.target = known.target.column
        self.images = [name for name, type_ in self.types.items() if type_ == "image"]
        self.steps = {name: _step(train, name) for name, type_ in self.types.items() if type_ == "number"}

    def exact(self, table: pa.Table) -> Keys:
        """A key for each row that identical inputs share."""
        return list(zip(*(table[name].to_pylist() for name in self.types), strict=True))

    def matches(self, table: pa.Table, train: pa.Table | None, with_target: bool) -> list[Match]:
        """Rows of `table` that are also in `train`, or without it in an earlier row."""
        if self.images:
            table = table.slice(0, MAX_IMAGES)
            train = train.slice(0, MAX_IMAGES) if train is not None else None
        exact, near = self.exact(table), self._near(table, with_target)
        if train is None:
            pairs = _alike(near, near, self._vectors(table), None)
            return [Match(row, other, exact[row] == exact[other]) for row, other in pairs]
        known = self.exact(train)
        pairs = _alike(near, self._near(train, with_target), self._vectors(table), self._vectors(train))
        return [Match(row, other, exact[row] == known[other]) for row, other in pairs]

    def _near(self, table: pa.Table, with_target: bool) -> Keys:
        """A key for each row that nearly identical inputs share; images are compared apart."""
        columns = [self._near_values(table, name) for name in self.types if name not in self.images]
        columns += [table[self.target].to_pylist()] if with_target else []
        return list(zip(*columns, strict=True)) if columns else [()] * table.num_rows

    def _near_values(self, table: pa.Table, name: str) -> Sequence[Hashable]:
        values = table[name].to_pylist()
        if self.types[name] == "text":
            return [_words(value) for value in values]
        if name in self.steps:
            return [None if value is None else round(value / self.steps[name]) for value in values]
        return cast("list[Hashable]", values)

    def _vectors(self, table: pa.Table) -> Vectors | None:
        if not self.images:
            return None
        rows = [[_thumbnail(value) for value in table[name].to_pylist()] for name in self.images]
        return np.concatenate([np.stack(column) for column in rows], axis=1)


def _step(train: pa.Table, name: str) -> float:
    values = np.array([v for v in train[name].to_pylist() if v is not None], dtype=np.float64)
    spread = float(values.std()) if values.size else 0.0
    return max(spread * _SAME_NUMBER, 1e-12)


def _words(text: str | None) -> str | None:
    """The words of a text in lower case; the text itself where it has none."""
    return " ".join(re.findall(r"\w+", text.casefold())) or text if text is not None else None


def _thumbnail(raw: bytes | None) -> Vectors:
    if raw is None:
        return np.full(_SIDE * _SIDE, -1, dtype=np.float32)
    small = opened(raw).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    pixels: Vectors = np.asarray(small).astype(np.float32).reshape(-1)
    return pixels / np.float32(255)


def _alike(keys: Keys, others: Keys, vectors: Vectors | None, known: Vectors | None) -> Iterator[tuple[int, int]]:
    """Pairs of a row and the first other row that is nearly identical. Without `known`: the first earlier row."""
    within = keys is others
    if vectors is None:
        first: dict[Hashable, int] = {}
        for at, key in enumerate(others):
            first.setdefault(key, at)
        for row, key in enumerate(keys):
            if key in first and (not within or first[key] < row):
                yield row, first[key]
        return
    codes: dict[Hashable, int] = {}
    mine, theirs = (np.array([codes.setdefault(key, len(codes)) for key in some]) for some in (keys, others))
    reference = vectors if known is None else known
    squares = np.square(reference).sum(axis=1)
    for start in range(0, len(vectors), _CHUNK):
        some = vectors[start : start + _CHUNK]
        distances = np.square(some).sum(axis=1)[:, None] + squares - 2 * some @ reference.T
        close = distances / vectors.shape[1] <= _SAME_IMAGE**2
        close &= mine[start : start + _CHUNK, None] == theirs
        for row in np.flatnonzero(close.any(axis=1)).tolist():
            other = int(close[row].argmax())
            if not within or other < start + row:
                yield start + row, other
