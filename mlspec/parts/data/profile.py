"""A table to its profile: what the training data looked like, kept as the reference that drift is measured against."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from mlspec.parts.data.spec import DataSpec

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 50
BINS = 20


def profile(data: DataSpec, train: pa.Table, labels: list[str], sizes: dict[str, int]) -> dict[str, Any]:
    """The profile of the training split; its shape is in docs/architecture.md."""
    columns: dict[str, Any] = {}
    for name, spec in data.columns.items():
        values = train[name].to_pylist()
        present = [v for v in values if v is not None]
        found: dict[str, Any] = {"type": spec.type, "count": len(present), "missing": len(values) - len(present)}
        columns[name] = found | _DESCRIBE[spec.type](present)
    columns[data.target.column] = _target(data, train, labels)
    return {"rows": sum(sizes.values()), "splits": sizes, "columns": columns}


def numbers(values: list[float | None] | list[float]) -> dict[str, Any]:
    """Mean, spread, quantiles and an equal-width histogram of finite numbers."""
    array = np.asarray([v for v in values if v is not None and np.isfinite(v)], dtype=np.float64)
    if not array.size:
        return {}
    counts, edges = np.histogram(array, bins=min(BINS, max(1, len(np.unique(array)))))
    return {
        "mean": float(array.mean()),
        "std": float(array.std()),
        "min": float(array.min()),
        "max": float(array.max()),
        "quantiles": {str(q): float(v) for q, v in zip(QUANTILES, np.quantile(array, QUANTILES), strict=True)},
        "histogram": {"edges": [float(e) for e in edges], "counts": [int(c) for c in counts]},
    }


def categories(values: list[str]) -> dict[str, Any]:
    """How many different values there are, and the most frequent of them."""
    counted = Counter(values)
    top = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    return {"unique": len(counted), "top": [{"value": value, "count": count} for value, count in top]}


def _texts(values: list[str]) -> dict[str, Any]:
    return {"lengths": numbers([float(len(v)) for v in values]), "unique": len(set(values))}


def _images(values: list[bytes]) -> dict[str, Any]:
    import io

    from PIL import Image

    sizes: Counter[tuple[int, int]] = Counter()
    means: list[float] = []
    for raw in values:
        with Image.open(io.BytesIO(raw)) as image:
            sizes[image.size] += 1
            means.append(float(np.asarray(image.convert("L"), dtype=np.float64).mean() / 255))
    (width, height), _ = sizes.most_common(1)[0] if sizes else ((0, 0), 0)
    shades = np.asarray(means)
    return {
        "height": height,
        "width": width,
        "sizes": len(sizes),
        "mean": float(shades.mean()) if means else 0.0,
        "std": float(shades.std()) if means else 0.0,
        "brightness": numbers(means),
    }


_DESCRIBE: dict[str, Any] = {"number": numbers, "category": categories, "text": _texts, "image": _images}


def _target(data: DataSpec, train: pa.Table, labels: list[str]) -> dict[str, Any]:
    values = [v for v in train[data.target.column].to_pylist() if v is not None]
    if data.target.type == "number":
        return {"type": "number", "count": len(values), "missing": 0, **numbers(values)}
    counted = Counter(values)
    total = max(len(values), 1)
    shares = {label: counted[index] / total for index, label in enumerate(labels)}
    return {"type": "class", "count": len(values), "missing": 0, "shares": shares}
