"""Confidences to the calibration table and its error: are 8 of 10 predictions with confidence 0.8 correct?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class ConfidenceBin:
    """Predictions of similar confidence: mean confidence, accuracy, and number of rows."""

    confidence: float
    accuracy: float
    count: int


def table(confidence: Tensor, right: Tensor, bins: int) -> list[ConfidenceBin]:
    """Confidences [B] in 0..1 and whether each prediction was right [B], in bins of equal width, without empty bins."""
    place = (confidence * bins).long().clamp(0, bins - 1)
    bins_ = []
    for index in range(bins):
        inside = place == index
        count = int(inside.sum())
        if count:
            bins_.append(ConfidenceBin(float(confidence[inside].mean()), float(right[inside].double().mean()), count))
    return bins_


def error(bins: list[ConfidenceBin]) -> float:
    """Expected calibration error, 0 to 1: the mean gap of accuracy and confidence (Naeini et al., AAAI 2015)."""
    distances = [abs(b.accuracy - b.confidence) * b.count for b in bins]
    return float(torch.tensor(distances, dtype=torch.float64).sum()) / max(1, sum(b.count for b in bins))
