"""Names of the metrics, by task: the one list for training, evaluation, gates and checks. Imports nothing heavy."""

from __future__ import annotations

import re
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
"""Metrics that are computed by default."""
MEASURED: Final = ("average", "threshold")
"""Keys of `evaluate` that change the value of a metric: also in training, on the validation split."""
LOWER_IS_BETTER: Final = frozenset({"log_loss", "mae", "mse", "rmse", "mape"})
_MIN = LOWER_IS_BETTER | frozenset(
    {
        "loss",
        "error",
        "err",
        "logloss",
        "nll",
        "crossentropy",
        "bce",
        "smape",
        "wape",
        "msle",
        "rmsle",
        "brier",
        "ece",
        "perplexity",
        "ppl",
        "wer",
        "cer",
        "eer",
        "regret",
        "deviance",
    }
)
_MAX = frozenset({
    "accuracy", "acc", "f1", "fbeta", "precision", "recall", "sensitivity", "specificity", "mcc", "kappa",
    "auc", "auroc", "auprc", "aucpr", "rocauc", "r2", "pearson", "spearman", "iou", "miou", "dice", "jaccard",
    "bleu", "rouge", "meteor", "psnr", "ssim", "ndcg", "mrr",
})  # fmt: skip
_NO_QUANTITY = frozenset({"epoch", "step", "score", "mean", "avg", "average", "macro", "micro", "weighted", "total"})
"""Last words of a name that describe how a quantity is computed, not which one it is."""
_REVERSED = frozenset({
    "neg", "negative", "negated", "minus", "inverse", "inverted", "inv", "not", "non", "no", "delta", "diff",
    "difference", "change", "improvement", "gain",
})  # fmt: skip
"""Words that may reverse the direction of a name's last word: `neg_log_loss`, `loss_improvement`."""
PER_CLASS: Final = ("precision", "recall", "f1")
"""Metrics of each label of a classification."""
_SHARES = ("accuracy", "balanced_accuracy", "f1", "precision", "recall", "auroc", "average_precision", "ece")
RANGES: Final[dict[str, tuple[float, float]]] = {
    **dict.fromkeys(_SHARES, (0.0, 1.0)),
    **dict.fromkeys(("mcc", "cohen_kappa", "pearson", "spearman"), (-1.0, 1.0)),
    **dict.fromkeys(("log_loss", "mae", "mse", "rmse", "mape"), (0.0, inf)),
    "r2": (-inf, 1.0),
}
"""Smallest and largest value of each metric, and of the calibration error."""


def logged(task: Task, metrics: tuple[str, ...] | list[str] | None = None) -> frozenset[str]:
    """The names that mlspec's own models log in training."""
    names = dict.fromkeys((*DEFAULT[task], *(metrics or ())))
    return frozenset({"train/loss", "valid/loss", *(f"valid/{name}" for name in names if name in NAMES[task])})


def direction(monitor: str) -> Literal["min", "max"] | None:
    """Whether a smaller or a larger value is better; None where the name does not imply it."""
    # Lightning appends this suffix to what a module logs.
    plain = re.sub(r"/dataloader_idx_\d+$", "", monitor.strip())
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", plain)
    words = re.findall(r"[a-z]+\d*", plain.lower())
    while len(words) > 1 and words[-1] in _NO_QUANTITY:
        words.pop()
    if not words or plain.startswith("-") or _REVERSED & set(words):
        return None
    return "min" if words[-1] in _MIN else "max" if words[-1] in _MAX else None


def better(monitor: str, mode: Literal["min", "max"] | None) -> str:
    """The criterion in words: `largest valid/accuracy`."""
    return f"{'smallest' if (mode or direction(monitor)) == 'min' else 'largest'} {monitor}"


def no_direction(monitor: str, key: str, modes: tuple[str, str] = ("min", "max")) -> tuple[str, str]:
    """Message and help for a `monitor` whose name implies no direction; `key` takes one of `modes`."""
    message = f"the name `{monitor}` does not imply whether smaller or larger is better"
    return message, f"set {key}: {modes[0]} if smaller is better, {modes[1]} if larger is"
