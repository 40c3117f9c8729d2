"""A table to its profile: what the training data looked like, kept as the reference that drift is measured against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from mlspec.records.profile import ColumnProfile, Profile
from mlspec.runtime.preprocess.image import opened
from mlspec.runtime.preprocess.picture import BACKGROUND
from mlspec.sections.data import DataSpec

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 50
BINS = 20


def profile(data: DataSpec, train: pa.Table, labels: Sequence[str], sizes: Mapping[str, int]) -> Profile:
    """The profile of the training split."""
    columns: dict[str, ColumnProfile] = {}
    for name, spec in data.columns.items():
        values = train[name].to_pylist()
        present = [v for v in values if v is not None]
        background = spec.background or BACKGROUND
        described = images(present, background) if spec.type == "image" else _DESCRIBE[spec.type](present)
        missing = len(values) - len(present)
        columns[name] = ColumnProfile(type=spec.type, count=len(present), missing=missing, **described)
    columns[data.target.column] = _target(data, train, labels)
    return Profile(rows=sum(sizes.values()), splits=dict(sizes), columns=columns)


def numbers(values: Sequence[float]) -> dict[str, Any]:
    """Mean, spread, quantiles and an equal-width histogram; nothing where there are no values."""
    array = np.asarray(values, dtype=np.float64)
    if not array.size:
        return {}
    counts, edges = _histogram(array)
    return {
        "mean": float(array.mean()),
        "std": float(array.std()),
        "min": float(array.min()),
        "max": float(array.max()),
        "quantiles": {str(q): float(v) for q, v in zip(QUANTILES, np.quantile(array, QUANTILES), strict=True)},
        "histogram": {"edges": edges, "counts": counts},
    }


def _histogram(array: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[list[int], list[float]]:
    bins = min(BINS, len(np.unique(array)))
    try:
        counts, edges = np.histogram(array, bins=bins)
    except ValueError:
        # So many bins do not fit between neighbouring floats, or the range is beyond the largest float.
        return [int(array.size)], [float(array.min()), float(array.max())]
    return [int(c) for c in counts], [float(e) for e in edges]


def categories(values: Sequence[str]) -> dict[str, Any]:
    """How many different values there are, and the most frequent of them."""
    counted = Counter(values)
    top = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    return {"unique": len(counted), "top": [{"value": value, "count": count} for value, count in top]}


def texts(values: Sequence[str]) -> dict[str, Any]:
    """Lengths in characters, and how many different texts there are."""
    return {"lengths": numbers([float(len(v)) for v in values]), "unique": len(set(values))}


def images(values: Sequence[bytes], background: str = BACKGROUND) -> dict[str, Any]:
    """The most frequent size, the number of channels that holds all, and brightness from 0 to 1."""
    sizes: Counter[tuple[int, int]] = Counter()
    colour = False
    means: list[float] = []
    for raw in values:
        image = opened(raw, background)
        sizes[image.size] += 1
        colour = colour or _coloured(image)
        means.append(float(np.asarray(image.convert("L"), dtype=np.float64).mean() / 255))
    (width, height), _ = max(sizes.items(), key=lambda item: (item[1], item[0]))
    return {
        "channels": 3 if colour else 1,
        "height": height,
        "width": width,
        "sizes": len(sizes),
        "mean": float(np.mean(means)),
        "std": float(np.std(means)),
        "brightness": numbers(means),
    }


def _coloured(image: Image.Image) -> bool:
    """Whether any pixel is not grey: some formats have no grey images, and keep them as RGB."""
    if image.mode == "L":
        return False
    red, green, blue = (np.asarray(channel) for channel in image.split())
    return bool((red != green).any() or (green != blue).any())


_DESCRIBE: dict[str, Callable[[Any], dict[str, Any]]] = {
    "number": numbers,
    "category": categories,
    "text": texts,
}


def _target(data: DataSpec, train: pa.Table, labels: Sequence[str]) -> ColumnProfile:
    values = train[data.target.column].to_pylist()
    if data.target.type == "number":
        return ColumnProfile(type="number", count=len(values), **numbers(values))
    counted = Counter(values)
    shares = {label: counted[index] / len(values) for index, label in enumerate(labels)}
    return ColumnProfile(type="class", count=len(values), shares=shares)
