"""Names of the metrics, in one place: training logs them as `valid/NAME`, evaluation writes them, gates ask for them.

Light: imports nothing. How each is computed is in `metrics.py`.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Task: TypeAlias = Literal["classification", "regression"]

METRICS: Final[dict[Task, tuple[str, ...]]] = {
    "classification": (
        "accuracy", "f1", "precision", "recall", "mcc", "auroc", "average_precision", "log_loss", "cohen_kappa",
        "balanced_accuracy",
    ),
    "regression": ("mae", "mse", "rmse", "r2", "mape", "spearman", "pearson"),
}  # fmt: skip
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


def task_of(name: str) -> Task | None:
    """The task whose metric that is."""
    return next((task for task, names in METRICS.items() if name in names), None)
