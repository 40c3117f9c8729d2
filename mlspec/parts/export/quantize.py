"""Quantises a float graph to 8-bit integer weights.

Matrix products are quantised dynamically: activation ranges are measured at each call. Convolutions are quantised
statically, with ranges measured on training rows, because ONNX Runtime has no fast dynamic convolution
(https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html#method-selection).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from mlspec.runtime.preprocess import Feature, Preprocess
from mlspec.runtime.preprocess.base import Array

CALIBRATION_ROWS = 256
_BATCH = 16


class _Rows(CalibrationDataReader):  # type: ignore[misc]
    """Calibration batches for the activation ranges."""

    def __init__(self, features: Sequence[Feature], preprocess: Preprocess) -> None:
        starts = range(0, min(len(features), CALIBRATION_ROWS), _BATCH)
        self.batches = (preprocess.collate(features[start : start + _BATCH]) for start in starts)

    def get_next(self) -> dict[str, Array] | None:
        """The next batch, or None at the end."""
        return next(self.batches, None)


def convolves(path: Path) -> bool:
    """Whether the graph has convolutions, which need calibration rows."""
    return any(node.op_type == "Conv" for node in onnx.load(path).graph.node)


def int8(path: Path, target: Path, features: Sequence[Feature], preprocess: Preprocess) -> None:
    """Write the graph in `path` to `target` with 8-bit weights. `features` are of training rows."""
    with _quiet():
        if convolves(path):
            quantize_static(
                path,
                target,
                _Rows(features, preprocess),
                quant_format=QuantFormat.QDQ,
                # Seven bits, because eight-bit products overflow on CPUs without VNNI.
                reduce_range=True,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        else:
            quantize_dynamic(path, target, weight_type=QuantType.QUInt8)
    onnx.checker.check_model(onnx.load(target), full_check=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress a warning about preprocessing of the graph that the exporter has already done."""
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
