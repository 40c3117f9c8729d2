"""Confidences to the calibration table and its error: does a model that says 0.8 get 8 of 10 right?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class ConfidenceBin:
    """Predictions of about one confidence: its mean, the share that was right, and how many there were."""

    confidence: float
    accuracy: float
    count: int


def table(confidence: Tensor, right: Tensor, bins: int) -> list[ConfidenceBin]:
    """Confidences [B] in 0..1 and whether each prediction was right [B], in bins of equal width; none of them empty."""
    place = (confidence * bins).long().clamp(0, bins - 1)
    found = []
    for index in range(bins):
        inside = place == index
        count = int(inside.sum())
        if count:
            found.append(ConfidenceBin(float(confidence[inside].mean()), float(right[inside].double().mean()), count))
    return found


def error(bins: list[ConfidenceBin]) -> float:
    """Expected calibration error: the mean distance of accuracy from confidence (Naeini et al., AAAI 2015)."""
    distances = [abs(b.accuracy - b.confidence) * b.count for b in bins]
    return float(torch.tensor(distances, dtype=torch.float64).sum()) / max(1, sum(b.count for b in bins))
