"""A table to its profile: statistics of the training data, the reference for drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from mlspec.records.profile import ColumnProfile, Distribution, Histogram, Profile, ValueCount
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
        column = (
            images(present, spec.background or BACKGROUND) if spec.type == "image" else _PROFILE[spec.type](present)
        )
        columns[name] = column.model_copy(update={"missing": len(values) - len(present)})
    columns[data.target.column] = _target(data, train, labels)
    return Profile(rows=sum(sizes.values()), splits=dict(sizes), columns=columns)


def distribution(values: Sequence[float]) -> Distribution:
    """Mean, standard deviation, quantiles and an equal-width histogram; empty without values."""
    array = np.asarray(values, dtype=np.float64)
    if not array.size:
        return Distribution()
    return Distribution(
        mean=float(array.mean()),
        std=float(array.std()),
        min=float(array.min()),
        max=float(array.max()),
        quantiles={str(q): float(v) for q, v in zip(QUANTILES, np.quantile(array, QUANTILES), strict=True)},
        histogram=_histogram(array),
    )


def _histogram(array: NDArray[np.float64]) -> Histogram:
    bins = min(BINS, len(np.unique(array)))
    try:
        counts, edges = np.histogram(array, bins=bins)
    except ValueError:
        # There are too few floats between min and max for the bins, or the range overflows.
        return Histogram(edges=(float(array.min()), float(array.max())), counts=(int(array.size),))
    return Histogram(edges=tuple(float(edge) for edge in edges), counts=tuple(int(count) for count in counts))


def numbers(values: Sequence[float]) -> ColumnProfile:
    """The profile of a number column without missing values."""
    figures = distribution(values).model_dump(exclude_unset=True)
    return ColumnProfile(type="number", count=len(values), **figures)


def categories(values: Sequence[str]) -> ColumnProfile:
    """The number of distinct values, and the TOP most frequent ones."""
    counted = Counter(values)
    top = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    frequent = tuple(ValueCount(value=value, count=count) for value, count in top)
    return ColumnProfile(type="category", count=len(values), unique=len(counted), top=frequent)


def texts(values: Sequence[str]) -> ColumnProfile:
    """Lengths in characters, and the number of distinct texts."""
    lengths = distribution([float(len(value)) for value in values])
    return ColumnProfile(type="text", count=len(values), lengths=lengths, unique=len(set(values)))


def images(values: Sequence[bytes], background: str = BACKGROUND) -> ColumnProfile:
    """The most frequent size in pixels, the channels (3 if any image is coloured), and brightness from 0 to 1."""
    sizes: Counter[tuple[int, int]] = Counter()
    colour = False
    means: list[float] = []
    for raw in values:
        image = opened(raw, background)
        sizes[image.size] += 1
        colour = colour or _coloured(image)
        means.append(float(np.asarray(image.convert("L"), dtype=np.float64).mean() / 255))
    (width, height), _ = max(sizes.items(), key=lambda item: (item[1], item[0]))
    return ColumnProfile(
        type="image",
        count=len(values),
        channels=3 if colour else 1,
        height=height,
        width=width,
        sizes=len(sizes),
        mean=float(np.mean(means)),
        std=float(np.std(means)),
        brightness=distribution(means),
    )


def _coloured(image: Image.Image) -> bool:
    """Whether any pixel is not grey: some formats store grey images as RGB."""
    if image.mode == "L":
        return False
    red, green, blue = (np.asarray(channel) for channel in image.split())
    return bool((red != green).any() or (green != blue).any())


_PROFILE: dict[str, Callable[..., ColumnProfile]] = {
    "number": numbers,
    "category": categories,
    "text": texts,
}


def _target(data: DataSpec, train: pa.Table, labels: Sequence[str]) -> ColumnProfile:
    values = train[data.target.column].to_pylist()
    if data.target.type == "number":
        return numbers(values)
    counted = Counter(values)
    shares = {label: counted[index] / len(values) for index, label in enumerate(labels)}
    return ColumnProfile(type="class", count=len(values), shares=shares)
