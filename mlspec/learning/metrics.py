"""Metric names to torchmetrics objects (https://lightning.ai/docs/torchmetrics, version 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torchmetrics
from torchmetrics import classification as c
from torchmetrics import regression as r


class LogLoss(torchmetrics.Metric):
    """Mean negative log-likelihood of the true class, from logits [B, C]."""

    higher_is_better = False
    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")
        self.total: torch.Tensor
        self.count: torch.Tensor

    def update(self, logits: torch.Tensor, target: torch.Tensor) -> None:
        """Add a batch."""
        self.total += torch.nn.functional.cross_entropy(logits.double(), target, reduction="sum")
        self.count += target.numel()

    def compute(self) -> torch.Tensor:
        """The mean so far."""
        return self.total / self.count


def make(names: Sequence[str], task: str, classes: int) -> torchmetrics.MetricCollection:
    """The metrics of those names; they take logits [B, C] and int64 [B], or predictions [B] and targets [B].

    Averages over classes are macro averages; of two classes, F1, precision and recall are those of the second one, as
    is usual for a positive class.
    """
    made: dict[str, Any] = {}
    for name in names:
        made[name] = _REGRESSION[name]() if task == "regression" else _classification(name, classes)
    return torchmetrics.MetricCollection(made, compute_groups=False)


def _classification(name: str, classes: int) -> torchmetrics.Metric:
    many: dict[str, Any] = {"num_classes": classes}
    if name == "log_loss":
        return LogLoss()
    if name in ("f1", "precision", "recall"):
        kind = {"f1": c.MulticlassF1Score, "precision": c.MulticlassPrecision, "recall": c.MulticlassRecall}[name]
        return _Positive(kind) if classes == 2 else kind(**many, average="macro")
    if name == "balanced_accuracy":
        return c.MulticlassAccuracy(**many, average="macro")
    if name == "accuracy":
        return c.MulticlassAccuracy(**many, average="micro")
    kinds: dict[str, Any] = {
        "mcc": c.MulticlassMatthewsCorrCoef,
        "auroc": c.MulticlassAUROC,
        "average_precision": c.MulticlassAveragePrecision,
        "cohen_kappa": c.MulticlassCohenKappa,
    }
    found: torchmetrics.Metric = kinds[name](**many)
    return found


class _Positive(torchmetrics.Metric):
    """A per-class metric of two classes, read for the second."""

    full_state_update = False

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.inner = kind(num_classes=2, average="none")

    def update(self, logits: torch.Tensor, target: torch.Tensor) -> None:
        self.inner.update(logits, target)

    def compute(self) -> torch.Tensor:
        found: torch.Tensor = self.inner.compute()[1]
        return found

    def reset(self) -> None:
        super().reset()
        self.inner.reset()


class _Rooted(r.MeanSquaredError):
    def __init__(self) -> None:
        super().__init__(squared=False)


_REGRESSION: dict[str, Any] = {
    "mae": r.MeanAbsoluteError,
    "mse": r.MeanSquaredError,
    "rmse": _Rooted,
    "r2": r.R2Score,
    "mape": r.MeanAbsolutePercentageError,
    "pearson": r.PearsonCorrCoef,
    "spearman": r.SpearmanCorrCoef,
}
