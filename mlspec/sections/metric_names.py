"""Names of the metrics, by task: the one list that training, evaluation, gates and checks share. Light."""

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
"""What is computed where the spec does not say."""
MEASURED: Final = ("average", "threshold")
"""Keys of `evaluate` that change the value of a metric: also in training, on the validation split."""
LOWER_IS_BETTER: Final = frozenset({"log_loss", "mae", "mse", "rmse", "mape"})
_MIN = LOWER_IS_BETTER | frozenset({
    "loss", "error", "err", "logloss", "nll", "crossentropy", "bce", "smape", "wape", "msle", "rmsle", "brier",
    "ece", "perplexity", "ppl", "wer", "cer", "eer", "regret", "deviance",
})  # fmt: skip
_MAX = frozenset({
    "accuracy", "acc", "f1", "fbeta", "precision", "recall", "sensitivity", "specificity", "mcc", "kappa",
    "auc", "auroc", "auprc", "aucpr", "rocauc", "r2", "pearson", "spearman", "iou", "miou", "dice", "jaccard",
    "bleu", "rouge", "meteor", "psnr", "ssim", "ndcg", "mrr",
})  # fmt: skip
_NO_QUANTITY = frozenset({"epoch", "step", "score", "mean", "avg", "average", "macro", "micro", "weighted", "total"})
"""Last words of a name that say how something was computed, and not what."""
_REVERSED = frozenset({
    "neg", "negative", "negated", "minus", "inverse", "inverted", "inv", "not", "non", "no", "delta", "diff",
    "difference", "change", "improvement", "gain",
})  # fmt: skip
"""With one of these in a name its last word proves nothing: `neg_log_loss`, `loss_improvement`."""
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


def direction(monitor: str) -> Literal["min", "max"] | None:
    """Which way a monitored value is better; None where its name does not say so for certain."""
    # Lightning appends these to what a module logs.
    plain = re.sub(r"/dataloader_idx_\d+$", "", monitor.strip())
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", plain)
    words = re.findall(r"[a-z]+\d*", plain.lower())
    while len(words) > 1 and words[-1] in _NO_QUANTITY:
        words.pop()
    if not words or plain.startswith("-") or _REVERSED & set(words):
        return None
    return "min" if words[-1] in _MIN else "max" if words[-1] in _MAX else None


def better(monitor: str, mode: Literal["min", "max"] | None) -> str:
    """The decision in words: `largest valid/accuracy`."""
    return f"{'smallest' if (mode or direction(monitor)) == 'min' else 'largest'} {monitor}"


def asked(monitor: str, key: str, modes: tuple[str, str] = ("min", "max")) -> tuple[str, str]:
    """Message and help where nobody says which way `monitor` is better; `key` holds one of `modes`."""
    message = f"`{monitor}` does not say whether smaller or larger is better"
    return message, f"set {key}: {modes[0]} if smaller is better, {modes[1]} if larger is"
