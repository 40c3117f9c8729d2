"""Names of the metrics, by task: the one list that training, evaluation, gates and checks share. Light."""

from __future__ import annotations

from typing import Literal

Task = Literal["classification", "regression"]

CLASSIFICATION = (
    "accuracy", "balanced_accuracy", "f1", "precision", "recall", "mcc", "auroc", "average_precision", "cohen_kappa",
    "log_loss",
)  # fmt: skip
REGRESSION = ("mae", "mse", "rmse", "r2", "mape", "pearson", "spearman")
NAMES: dict[str, tuple[str, ...]] = {"classification": CLASSIFICATION, "regression": REGRESSION}
DEFAULT: dict[str, tuple[str, ...]] = {"classification": ("accuracy", "f1"), "regression": ("mae", "rmse", "r2")}
LOWER_IS_BETTER = frozenset({"log_loss", "mae", "mse", "rmse", "mape"})
PER_CLASS = ("precision", "recall", "f1")


def logged(task: Task, metrics: tuple[str, ...] | list[str] | None = None) -> frozenset[str]:
    """What mlspec's own models log in training, by the names that monitors use."""
    names = dict.fromkeys((*DEFAULT[task], *(metrics or ())))
    return frozenset({"train/loss", "valid/loss", *(f"valid/{name}" for name in names if name in NAMES[task])})


def mode(monitor: str) -> Literal["min", "max"]:
    """Which way a monitored value is better."""
    name = monitor.rsplit("/", 1)[-1]
    return "min" if name in LOWER_IS_BETTER or "loss" in name or "error" in name else "max"
