"""Labelled predictions for a new training, and for the comparison of two models on rows that are new to both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import JsonValue

from mlspec.errors import StageError
from mlspec.job import whole
from mlspec.monitoring.duckdb_session import quoted_name
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.runtime.predictor import BATCH, Predictor
from mlspec.runtime.preprocess.bundle_errors import BadRow, BundleError

LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Inputs as the model received them, and the true values, in the order of their predictions."""

    inputs: tuple[dict[str, JsonValue], ...]
    actual: tuple[object, ...]
    ids: tuple[str, ...]
    added: tuple[datetime, ...]
    """When each label was added."""

    def __len__(self) -> int:
        return len(self.ids)

    def since(self, judged: datetime) -> LabelledRows:
        """The rows whose labels were added later."""
        return self._where([time > judged for time in self.added], True)

    def divided(self, holdout: float, judged: datetime) -> tuple[LabelledRows, LabelledRows]:
        """Rows to train on, and rows to compare models on: of these only some whose labels were added after `judged`.

        A row is in the same part in every call with that time.
        """
        for_test = [time > judged and _fraction(id) < holdout for id, time in zip(self.ids, self.added, strict=True)]
        return self._where(for_test, False), self._where(for_test, True)

    def _where(self, marks: Sequence[bool], value: bool) -> LabelledRows:
        at = [index for index, mark in enumerate(marks) if mark is value]
        return LabelledRows(
            tuple(self.inputs[i] for i in at),
            tuple(self.actual[i] for i in at),
            tuple(self.ids[i] for i in at),
            tuple(self.added[i] for i in at),
        )


def labelled_rows(model: WatchedModel, since: datetime, until: datetime = LATEST) -> LabelledRows:
    """The predictions whose labels were added after `since`, up to `until`.

    Raises StageError where the log lacks the inputs.
    """
    if hidden := sorted(model.hashed | model.redacted):
        message = f"the prediction log does not have the values of {', '.join(hidden)}, so no model can train on them"
        raise StageError(message, help="set monitor.log.columns so that every input is stored in full")
    names = [i.name for i in model.signature.inputs]
    columns = ", ".join(f"{quoted_name(f'input.{name}')} AS {quoted_name(name)}" for name in names)
    table = model.store.query(
        f'SELECT CAST(id AS VARCHAR) AS "id ", added_at AS "added ", actual AS "actual ", {columns} FROM labelled '
        "WHERE added_at > ? AND added_at <= ? AND actual IS NOT NULL ORDER BY time, id",
        [since, until],
    )
    rows = table.select(names).to_pylist()
    actual, ids, added = (tuple(table[name].to_pylist()) for name in ("actual ", "id ", "added "))
    return LabelledRows(tuple(rows), actual, ids, added)


def write_collected(path: Path, rows: LabelledRows, target: str) -> None:
    """Write the rows as a file of the folder `data.collected`: whole or not at all."""
    table = as_table(rows, target)
    with whole(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def as_table(rows: LabelledRows, target: str) -> pa.Table:
    """The inputs, and the true value in the column `target`."""
    return pa.Table.from_pylist([{**row, target: value} for row, value in zip(rows.inputs, rows.actual, strict=True)])


def losses(bundle: Path, rows: LabelledRows, scale: float) -> Floats:
    """The loss of each row, 0 to 1: whether the label is wrong, or the absolute error in units of `scale`, at most 1.

    A row that the bundle refuses has the largest loss. Raises StageError if the bundle cannot be loaded.
    """
    try:
        predictor = Predictor(bundle)
    except BundleError as error:
        raise StageError(str(error), help="export it again: mlspec apply --force export") from None
    result = np.ones(len(rows))
    for start in range(0, len(rows), BATCH):
        stop = min(start + BATCH, len(rows))
        for at, value in zip(range(start, stop), _predicted(predictor, rows.inputs[start:stop]), strict=True):
            result[at] = _loss(value, rows.actual[at], scale)
    return result


def _predicted(predictor: Predictor, rows: Sequence[dict[str, JsonValue]]) -> list[object]:
    try:
        prepared = [feature for _, feature in predictor.prepare(rows)]
    except BadRow:
        return [None] if len(rows) == 1 else [value for row in rows for value in _predicted(predictor, [row])]
    return [p["label"] if "label" in p else p["value"] for p in predictor.compute(prepared)]


def _loss(predicted: object, actual: object, scale: float) -> float:
    if isinstance(predicted, float) and isinstance(actual, int | float):
        return min(abs(predicted - actual) / scale, 1.0) if scale > 0 else float(predicted != actual)
    return float(str(predicted) != str(actual))


def _fraction(id: str) -> float:
    """A number in 0..1 that depends on the id alone."""
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "big") / 2**64
