"""Compares the outputs of the bundle with those of the trained model, for several batch sizes and lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mlspec.errors import StageError
from mlspec.learning.split_rows import Rows
from mlspec.runtime import BundleError, Predictor
from mlspec.runtime.preprocess import Preprocess
from mlspec.runtime.preprocess.base import Array


@dataclass(frozen=True, slots=True)
class ParityResult:
    """One compared batch: its size, its padded length, and the maximum absolute difference of the outputs."""

    batch: int
    length: int
    difference: float
    scale: float
    """The largest absolute output of PyTorch, at least 1; the tolerance is relative to it."""


def batches(rows: Rows, preprocess: Preprocess, sizes: Sequence[int]) -> Iterator[list[int]]:
    """Row numbers of batches: for each size the shortest, the longest, and mixed lengths. Few rows are repeated."""
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
    """Run both models on the same batches. Raises StageError if the graph fails or returns another shape."""
    results: list[ParityResult] = []
    for chosen in batches(rows, preprocess, sizes):
        features = [rows.features[row] for row in chosen]
        batch = preprocess.collate(features)
        length = max(preprocess.length(feature) for feature in features)
        with torch.inference_mode():
            expected = module(**{name: torch.from_numpy(array) for name, array in batch.items()}).float().numpy()
        actual = ran(predictor, batch, len(chosen), length)
        if actual.shape != expected.shape:
            raise StageError(
                f"the ONNX graph returns the shape {list(actual.shape)}, PyTorch {list(expected.shape)}",
                help="forward uses a size of the example as a constant; use sizes of `tensor.shape`",
            )
        difference = float(np.max(np.abs(actual - expected))) if np.isfinite(actual).all() else float("inf")
        results.append(ParityResult(len(chosen), length, difference, max(1.0, float(np.max(np.abs(expected))))))
    return results


def ran(predictor: Predictor, batch: dict[str, Array], size: int, length: int) -> Array:
    """The outputs of the graph. Raises StageError if it cannot run the batch."""
    try:
        return predictor.run(batch)
    except Exception as error:  # noqa: BLE001 - onnxruntime has a class for each kind of failure, outside one family
        raise StageError(
            f"ONNX Runtime cannot run the graph with a batch of {size}, length {length}: {str(error).splitlines()[0]}",
            help="set export.onnx.opset to 18; if that fails too, use sizes of `tensor.shape` in forward",
        ) from None


def within(compared: Sequence[ParityResult], tolerance: float) -> None:
    """Raise StageError if a difference exceeds the tolerance."""
    bad = [c for c in compared if not c.difference <= tolerance * c.scale]
    if bad:
        worst = max(bad, key=lambda c: c.difference / c.scale)
        raise StageError(
            f"ONNX Runtime and PyTorch differ by {worst.difference:.3g} with a batch of {worst.batch}, length "
            f"{worst.length}; the limit is {tolerance * worst.scale:.3g} (export.onnx.tolerance)",
            help="if the difference is small, raise export.onnx.tolerance; otherwise replace the operators that ONNX "
            "computes differently",
        )


def opened(folder: Path) -> Predictor:
    """The bundle, loaded as in serving. Raises StageError if it cannot be loaded."""
    try:
        return Predictor(folder, threads=1)
    except BundleError as error:
        raise StageError(f"cannot load the bundle: {error}", help="export again: mlspec apply --force export") from None
