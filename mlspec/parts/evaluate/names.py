"""Names of the metrics, by task: the one list that training, evaluation, gates and checks share. Light."""

from __future__ import annotations

from math import inf
from typing import Final, Literal, TypeAlias, get_args

Task: TypeAlias = Literal["classification", "regression"]
ClassMetric: TypeAlias = Literal[
    "accuracy", "balanced_accuracy", "f1", "precision", "recall", "mcc", "auroc", "average_precision", "cohen_kappa",
    "log_loss",
]  # fmt: skip
NumberMetric: TypeAlias = Literal["mae", "mse", "rmse", "r2", "mape", "pearson", "spearman"]

NAMES: Final[dict[Task, tuple[str, ...]]] = {
    "classification": get_args(ClassMetric),
    "regression": get_args(NumberMetric),
}
DEFAULT: Final[dict[Task, tuple[str, ...]]] = {
    "classification": ("accuracy", "f1", "mcc"),
    "regression": ("mae", "rmse", "r2"),
}
"""What is computed where the spec does not say."""
MEASURED: Final = ("average", "threshold")
"""Keys of `evaluate` that change the value of a metric: also in training, on the validation split."""
LOWER_IS_BETTER: Final = frozenset({"log_loss", "mae", "mse", "rmse", "mape"})
PER_CLASS: Final = ("precision", "recall", "f1")
"""What is computed for each label of a classification, beside its support."""
_SHARES = ("accuracy", "balanced_accuracy", "f1", "precision", "recall", "auroc", "average_precision", "ece")
RANGES: Final[dict[str, tuple[float, float]]] = {
    **dict.fromkeys(_SHARES, (0.0, 1.0)),
    **dict.fromkeys(("mcc", "cohen_kappa", "pearson", "spearman"), (-1.0, 1.0)),
    **dict.fromkeys(("log_loss", "mae", "mse", "rmse", "mape"), (0.0, inf)),
    "r2": (-inf, 1.0),
}
"""Least and greatest value of each metric, and of the calibration error."""


def logged(task: Task, metrics: tuple[str, ...] | list[str] | None = None) -> frozenset[str]:
    """What mlspec's own models log in training, by the names that monitors use."""
    names = dict.fromkeys((*DEFAULT[task], *(metrics or ())))
    return frozenset({"train/loss", "valid/loss", *(f"valid/{name}" for name in names if name in NAMES[task])})


def mode(monitor: str) -> Literal["min", "max"]:
    """Which way a monitored value is better."""
    name = monitor.rsplit("/", 1)[-1]
    return "min" if name in LOWER_IS_BETTER or "loss" in name or "error" in name else "max"
