"""The model of a regression's errors from its test split: its rows as the prediction log has them, and their errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlspec.monitoring.baseline.error_model import ErrorModel, ErrorRows
from mlspec.monitoring.baseline.quantile_grid import Floats
from mlspec.monitoring.baseline.reference import ColumnDistribution, Hashes, TextReference, unpack, unseen_shares
from mlspec.monitoring.quality.fit_error_model import fit_error_model
from mlspec.monitoring.split_columns import SAMPLE, TEST, pixel_moments
from mlspec.records.schema import InputSchema, Schema

MOST_ROWS: Final = 10_000
"""Rows of the test split from which errors are learned, evenly spread; with images as many as are decoded."""


def tested_errors(
    artifacts: Path,
    schema: Schema,
    columns: Mapping[str, ColumnDistribution],
    errors: tuple[Floats, Floats],
    hidden: Mapping[str, str],
) -> ErrorModel | None:
    """The model from the predicted values and their errors, row by row as in the test split; None without that split.

    `columns` are the distributions of the training data. Of `hidden` inputs the log has hashes or no values.
    """
    predicted, wrong = errors
    split = artifacts / TEST
    if not split.is_file() or pq.read_metadata(split).num_rows != len(predicted):
        return None
    most = SAMPLE if any(kind.type == "image" for kind in schema.inputs.values()) else MOST_ROWS
    chosen = np.flatnonzero(np.isfinite(wrong))
    chosen = chosen[:: max(1, -(-len(chosen) // most))]
    rows = pq.read_table(split, columns=list(schema.inputs)).take(chosen)
    numbers: dict[str, Floats] = {"value": predicted[chosen]}
    categories: dict[str, npt.NDArray[np.object_]] = {}
    for name, described in schema.inputs.items():
        how, values = hidden.get(name, ""), rows[name]
        if described.type == "number" and not how:
            numbers[f"input.{name}"] = pc.cast(values, pa.float64()).to_numpy()
        elif described.type == "category" and not how:
            categories[f"input.{name}"] = np.array(pc.cast(values, pa.string()).to_pylist(), dtype=object)
        elif described.type in ("text", "image") and how != "hashed":
            numbers |= _measured(name, described, values, columns[name], with_words=not how)
    return fit_error_model(ErrorRows(numbers, categories), wrong[chosen], hidden)


def _measured(
    name: str, described: InputSchema, values: pa.ChunkedArray, column: ColumnDistribution, *, with_words: bool
) -> dict[str, Floats]:
    """What the log has of texts and images: lengths and pixels. `with_words`: and the texts, whose words are known."""
    given = values.to_pylist()
    if described.type == "image":
        moments = [(np.nan, np.nan) if one is None else pixel_moments(one, described) for one in given]
        mean, contrast = np.array(moments, dtype=np.float64).reshape(-1, 2).T
        return {f"mean.{name}": mean, f"contrast.{name}": contrast}
    lengths = {
        f"characters.{name}": np.array([np.nan if text is None else len(text) for text in given]),
        f"words.{name}": np.array([np.nan if text is None else len(text.split()) for text in given]),
    }
    if with_words and isinstance(column, TextReference):
        lengths[f"unseen.{name}"] = unseen_words(given, unpack(column.vocabulary))
    return lengths


def unseen_words(texts: list[str | None], vocabulary: Hashes) -> Floats:
    """The share of unknown words of each text; NaN for a missing one."""
    shares = unseen_shares([text or "" for text in texts], vocabulary)
    return np.where([text is None for text in texts], np.nan, shares)
