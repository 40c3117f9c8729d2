"""The difference of two predictions. Imports nothing that runs a model: a deployment uses it too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

TOLERANCE: Final = 1e-3
"""Limit of the difference: releases of ONNX Runtime round differently."""
Answer = Mapping[str, object]


def difference(expected: Answer, answer: object) -> float:
    """The largest difference of the probabilities, or that of the values, relative to the expected one above 1.

    Infinite where the two are of different kinds, or where one is NaN or infinite.
    """
    if not isinstance(answer, Mapping):
        return math.inf
    if "value" in expected:
        value = _number(expected["value"])
        gaps = [abs(value - _number(answer.get("value"))) / max(1.0, abs(value))]
    else:
        gaps = _gaps(expected.get("probabilities"), answer.get("probabilities"))
    return max(gaps) if gaps and all(map(math.isfinite, gaps)) else math.inf


def _gaps(expected: object, answer: object) -> list[float]:
    """The difference of each probability; empty where the labels differ."""
    if not isinstance(expected, Mapping) or not isinstance(answer, Mapping) or set(expected) != set(answer):
        return []
    return [abs(_number(p) - _number(answer[label])) for label, p in expected.items()]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
