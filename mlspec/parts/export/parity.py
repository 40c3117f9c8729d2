"""Does the bundle answer as the trained model does? Compared on real rows, at several batch sizes and lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from mlspec.errors import StageError
from mlspec.learning.split_rows import Rows
from mlspec.runtime import BundleError, Predictor
from mlspec.runtime.preprocess import Preprocess

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class ParityResult:
    """One batch through both: its size, its padded length, and the largest difference of the outputs."""

    batch: int
    length: int
    difference: float
    scale: float
    """The largest output of PyTorch, at least 1: what the tolerance is a part of."""


def batches(rows: Rows, preprocess: Preprocess, sizes: Sequence[int]) -> Iterator[list[int]]:
    """Row numbers: for each size the shortest rows, the longest, and some of all lengths. Rows repeat where few are."""
    order = sorted(range(len(rows)), key=lambda row: preprocess.length(rows.features[row]))
    seen: set[tuple[int, ...]] = set()
    for size in dict.fromkeys(sizes):
        padded = [order[i % len(order)] for i in range(size)]
        apart = [order[(i * (len(order) - 1)) // max(1, size - 1)] for i in range(size)]
        for chosen in (padded, padded if size > len(order) else order[-size:], apart):
            if tuple(chosen) not in seen:
                seen.add(tuple(chosen))
                yield chosen


def compare(
    module: nn.Module, predictor: Predictor, rows: Rows, preprocess: Preprocess, sizes: Sequence[int]
) -> list[ParityResult]:
    """Both models on the same batches. Raises StageError where the graph cannot run one of them."""
    found: list[ParityResult] = []
    for chosen in batches(rows, preprocess, sizes):
        features = [rows.features[row] for row in chosen]
        batch = preprocess.collate(features)
        length = max(preprocess.length(feature) for feature in features)
        with torch.inference_mode():
            expected = module(**{name: torch.from_numpy(array) for name, array in batch.items()}).float().numpy()
        given = ran(predictor, batch, len(chosen), length)
        if given.shape != expected.shape:
            raise StageError(
                f"the graph gives the shape {list(given.shape)} where PyTorch gives {list(expected.shape)}",
                help="forward computes a shape from its example; take sizes from `tensor.shape`",
            )
        difference = float(np.max(np.abs(given - expected))) if np.isfinite(given).all() else float("inf")
        found.append(ParityResult(len(chosen), length, difference, max(1.0, float(np.max(np.abs(expected))))))
    return found


def ran(predictor: Predictor, batch: dict[str, Array], size: int, length: int) -> Array:
    """The graph's outputs. Raises StageError where it cannot run such a batch."""
    try:
        return predictor.run(batch)
    except Exception as error:  # noqa: BLE001 - onnxruntime has a class for each kind of failure, outside one family
        raise StageError(
            f"ONNX Runtime cannot run the graph with a batch of {size}, length {length}: {str(error).splitlines()[0]}",
            help="try export.onnx.opset 18; if that fails too, forward uses a size of its example as a constant",
        ) from None


def within(compared: Sequence[ParityResult], tolerance: float) -> None:
    """Raise StageError where a difference is beyond the tolerance."""
    bad = [c for c in compared if not c.difference <= tolerance * c.scale]
    if bad:
        worst = max(bad, key=lambda c: c.difference / c.scale)
        raise StageError(
            f"ONNX Runtime and PyTorch differ by {worst.difference:.3g} with a batch of {worst.batch}, length "
            f"{worst.length}; allowed is {tolerance * worst.scale:.3g} (export.onnx.tolerance)",
            help="the graph is damaged, or the model computes something that ONNX does otherwise; if the difference is "
            "small, a larger tolerance may do",
        )


def opened(folder: Any) -> Predictor:
    """The bundle as serving opens it. Raises StageError where it cannot be loaded."""
    try:
        return Predictor(folder, threads=1)
    except BundleError as error:
        raise StageError(f"the bundle cannot be served: {error}", help="mlspec apply --force export") from None
