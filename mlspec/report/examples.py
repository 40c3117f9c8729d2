"""`evaluate/predictions.parquet` to the errors to inspect: the most confident ones, or the largest ones.

pyarrow reads it where it is installed; without it, no examples are shown.
"""

from __future__ import annotations

import base64
import heapq
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlspec.render.formatting import number
from mlspec.report.result_files import finite

SHOWN = 20
"""Examples in the report."""
TEXT = 400
"""Characters shown of one input."""
PICTURE = 100_000
"""Bytes of an image that goes into the page; a larger one would make the report heavy."""

_IMAGES = {b"\x89PNG\r\n": "png", b"\xff\xd8\xff": "jpeg"}


@dataclass(frozen=True, slots=True)
class Example:
    """One row that the model got wrong. `sure` is its confidence, or for a number the distance from the truth.

    `inputs` are short texts; `images` are `data:` addresses.
    """

    actual: str
    predicted: str
    sure: float
    inputs: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)


def examples(artifacts: Path, inputs: Sequence[str], labels: Sequence[str]) -> tuple[Example, ...]:
    """The worst examples of the test split, the worst first. None where nothing can be read.

    `inputs` are the columns to show: of the predictions themselves, else of the test split when its rows are as many.
    """
    path = artifacts / "evaluate/predictions.parquet"
    table = _columns(path, ("actual", "predicted", "confidence"))
    if not {"actual", "predicted"} <= table.keys():
        return ()
    pairs = list(zip(table["actual"], table["predicted"], strict=True))
    if labels:
        sure = [_number(value) or 0.0 for value in table.get("confidence", [0.0] * len(pairs))]
        worst = _worst((sure[row], row) for row, (a, p) in enumerate(pairs) if a != p)
    else:
        measured = [(row, _number(a), _number(p)) for row, (a, p) in enumerate(pairs)]
        worst = _worst((abs(a - p), row) for row, a, p in measured if a is not None and p is not None)
    rows = [row for _, row in worst]
    shown = _columns(path, inputs, rows) or _columns(artifacts / "data/test.parquet", inputs, rows, len(pairs))
    return tuple(_example(pairs[row], size, place, shown, labels) for place, (size, row) in enumerate(worst))


def _columns(
    path: Path, names: Sequence[str], rows: Sequence[int] | None = None, expected: int | None = None
) -> dict[str, list[object]]:
    """Those of the named columns that a parquet file has, all rows or the given ones; empty where it cannot be read,
    where pyarrow is missing, or where the file has not the `expected` number of rows."""
    if not path.is_file() or importlib.util.find_spec("pyarrow") is None:
        return {}
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            if expected is not None and file.metadata.num_rows != expected:
                return {}
            table = file.read(columns=[name for name in names if name in file.schema_arrow.names])
        columns: dict[str, list[object]] = (table.take(list(rows)) if rows is not None else table).to_pydict()
    except (OSError, ValueError, IndexError, pyarrow.ArrowException):
        return {}
    return columns


def _worst(rows: Iterable[tuple[float, int]]) -> list[tuple[float, int]]:
    return heapq.nsmallest(SHOWN, rows, key=lambda row: (-row[0], row[1]))


def _example(
    pair: tuple[object, object], size: float, place: int, columns: Mapping[str, list[object]], labels: Sequence[str]
) -> Example:
    values = {name: column[place] for name, column in columns.items()}
    images = {name: address for name, value in values.items() if (address := _image(value))}
    texts = {name: _short(value) for name, value in values.items() if not isinstance(value, bytes)}
    actual, predicted = (_label(value, labels) for value in pair)
    return Example(actual, predicted, size, texts, images)


def _number(value: object) -> float | None:
    return finite(value) if isinstance(value, str | int | float) else None


def _label(value: object, labels: Sequence[str]) -> str:
    """A class by its name, where the file has its index; a number as people read it."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(labels):
        return labels[value]
    return number(value) if isinstance(value, int | float) else str(value)


def _short(value: object) -> str:
    text = number(value) if isinstance(value, float) else "" if value is None else str(value)
    return text if len(text) <= TEXT else text[: TEXT - 1] + "…"


def _image(value: object) -> str | None:
    """A `data:` address of PNG or JPEG bytes, known by their first bytes."""
    if not isinstance(value, bytes) or len(value) > PICTURE:
        return None
    kind = next((kind for start, kind in _IMAGES.items() if value.startswith(start)), None)
    return f"data:image/{kind};base64,{base64.b64encode(value).decode()}" if kind else None
