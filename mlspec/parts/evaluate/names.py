"""Names of the metrics, in one place: training logs them as `valid/NAME`, evaluation writes them, gates ask for them.

Light: imports nothing. How each is computed is in `metrics.py`.
"""

from __future__ import annotations

from math import inf
from typing import Final, Literal, TypeAlias, get_args

Task: TypeAlias = Literal["classification", "regression"]

ClassMetric: TypeAlias = Literal[
    "accuracy", "f1", "precision", "recall", "mcc", "auroc", "average_precision", "log_loss", "cohen_kappa",
    "balanced_accuracy",
]  # fmt: skip
NumberMetric: TypeAlias = Literal["mae", "mse", "rmse", "r2", "mape", "spearman", "pearson"]

METRICS: Final[dict[Task, tuple[str, ...]]] = {
    "classification": get_args(ClassMetric),
    "regression": get_args(NumberMetric),
}
"""Every metric of a task."""

DEFAULTS: Final[dict[Task, tuple[str, ...]]] = {
    "classification": ("accuracy", "f1", "mcc"),
    "regression": ("mae", "rmse", "r2"),
}
"""What is computed where the spec does not say."""

PER_CLASS: Final = ("precision", "recall", "f1")
"""What is computed for each label of a classification, beside its support."""

SMALLER_IS_BETTER: Final = frozenset({"log_loss", "mae", "mse", "rmse", "mape"})
"""Of all others, more is better."""

RANGES: Final[dict[str, tuple[float, float]]] = {
    **dict.fromkeys(("accuracy", "f1", "precision", "recall", "auroc", "average_precision", "balanced_accuracy"), (0, 1)),
    **dict.fromkeys(("mcc", "cohen_kappa", "spearman", "pearson"), (-1, 1)),
    **dict.fromkeys(("log_loss", "mae", "mse", "rmse", "mape"), (0, inf)),
    "r2": (-inf, 1),
    "ece": (0, 1),
}
"""Least and greatest value of each metric, and of the calibration error."""


def task_of(name: str) -> Task | None:
    """The task whose metric that is."""
    return next((task for task, names in METRICS.items() if name in names), None)
