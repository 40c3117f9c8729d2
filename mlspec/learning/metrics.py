"""Logits and targets to metrics by name, through torchmetrics (https://lightning.ai/docs/torchmetrics, version 1).

Training, evaluation and export all compute their metrics here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import torch
import torchmetrics
from torch import Tensor
from torchmetrics.functional import classification as tmc
from torchmetrics.functional import regression as tmr
from torchmetrics.utilities import dim_zero_cat

from mlspec.sections.metric_names import Task

Average: TypeAlias = Literal["auto", "binary", "macro", "micro", "weighted"]


@dataclass(frozen=True, slots=True)
class Classified:
    """Predictions of a classification: probabilities float [B, C], predicted and true labels int64 [B]."""

    probabilities: Tensor
    predicted: Tensor
    target: Tensor
    average: Average

    @property
    def classes(self) -> int:
        """The number of labels."""
        return self.probabilities.shape[1]


def classified(logits: Tensor, target: Tensor, average: Average = "auto", threshold: float = 0.5) -> Classified:
    """Convert logits [B, C] to predictions.

    With two labels the second is predicted if its probability is at least `threshold`, and the `average` "auto" is
    "binary"; with more labels the most probable one is predicted, and "auto" is "macro".
    """
    probabilities = torch.softmax(logits.double(), dim=1)
    two = probabilities.shape[1] == 2
    # For equal probabilities argmax predicts the first label, as serving does; hence argmax for threshold 0.5.
    at_threshold = two and threshold != 0.5
    predicted = (probabilities[:, 1] >= threshold).long() if at_threshold else probabilities.argmax(dim=1)
    return Classified(
        probabilities, predicted, target.long(), ("binary" if two else "macro") if average == "auto" else average
    )


def scores(
    task: Task,
    names: Iterable[str],
    outputs: Tensor,
    target: Tensor,
    *,
    average: Average = "auto",
    threshold: float = 0.5,
) -> dict[str, float | None]:
    """Each metric of `names` for logits [B, C] (or values [B]) and targets [B]; None if it is undefined.

    Undefined are for example a correlation of constants, and AUROC if all rows have the same class.
    """
    if task == "regression":
        values, truth = outputs.double().reshape(-1), target.double().reshape(-1)
        return {name: _number(_REGRESSION[name], values, truth) for name in names}
    return of_classified(names, classified(outputs, target, average, threshold))


def of_classified(names: Iterable[str], predictions: Classified) -> dict[str, float | None]:
    """Each metric of `names` for these predictions; None if it is undefined."""
    return {name: _number(_CLASSIFICATION[name], predictions) for name in names}


def per_class(predictions: Classified) -> list[dict[str, float | int | None]]:
    """Precision, recall, F1 and support of each label, in order; None if never predicted or never in the target."""
    predicted = torch.bincount(predictions.predicted, minlength=predictions.classes).tolist()
    support = torch.bincount(predictions.target, minlength=predictions.classes).tolist()
    right = torch.bincount(
        predictions.target[predictions.predicted == predictions.target], minlength=predictions.classes
    ).tolist()
    return [
        {
            "precision": hit / named if named else None,
            "recall": hit / actual if actual else None,
            "f1": 2 * hit / (named + actual) if named + actual else None,
            "support": actual,
        }
        for hit, named, actual in zip(right, predicted, support, strict=True)
    ]


def _number(compute: Callable[..., Tensor], *arguments: object) -> float | None:
    with warnings.catch_warnings():
        # torchmetrics warns about absent classes; the support shows them.
        warnings.simplefilter("ignore")
        value = float(compute(*arguments))
    # Parts of torchmetrics compute in float32: only six digits are significant, and an AUROC may be 1.0000001.
    return float(f"{value:.6g}") if math.isfinite(value) else None


NOTHING: Final = torch.tensor(torch.nan)


def _distinct(values: Tensor) -> Tensor:
    """The distinct values, sorted."""
    distinct: Tensor = torch.unique(values)
    return distinct


def _averaged(name: Literal["f1_score", "precision", "recall"]) -> Callable[[Classified], Tensor]:
    def compute(c: Classified) -> Tensor:
        if not len(c.target):
            return NOTHING
        if c.average == "binary":
            binary: Tensor = getattr(tmc, f"binary_{name}")(c.predicted, c.target)
            return binary
        many: Tensor = getattr(tmc, f"multiclass_{name}")(c.predicted, c.target, c.classes, average=c.average)
        return many

    return compute


def _agreement(compute: Callable[..., Tensor]) -> Callable[[Classified], Tensor]:
    """`compute`, or 0 if all predictions or all targets have one label: the agreement is that of chance."""

    def guarded(c: Classified) -> Tensor:
        varied = min(len(_distinct(c.predicted)), len(_distinct(c.target))) > 1
        return compute(c.predicted, c.target, c.classes) if varied else torch.zeros(())

    return guarded


def _balanced(c: Classified) -> Tensor:
    """The mean recall of the labels that occur."""
    recalls = tmc.multiclass_recall(c.predicted, c.target, c.classes, average=None)
    return recalls[_distinct(c.target)].mean()


def _ranked(name: Literal["auroc", "average_precision"]) -> Callable[[Classified], Tensor]:
    """The ranking metric of the second of two labels; with more, one-vs-rest averaged over the labels that occur."""

    def compute(c: Classified) -> Tensor:
        present = _distinct(c.target)
        if len(present) < 2:
            return NOTHING
        if c.classes == 2:
            binary: Tensor = getattr(tmc, f"binary_{name}")(c.probabilities[:, 1], c.target)
            return binary
        each: Tensor = getattr(tmc, f"multiclass_{name}")(c.probabilities, c.target, c.classes, average=None)
        return each[present].mean()

    return compute


def _log_loss(c: Classified) -> Tensor:
    chosen = c.probabilities.gather(1, c.target[:, None]).clamp_min(torch.finfo(torch.float64).tiny)
    return -chosen.log().mean()


def _varied(compute: Callable[..., Tensor], least: int = 2) -> Callable[[Tensor, Tensor], Tensor]:
    """`compute` if there are at least `least` rows and the target varies; else NaN."""
    return lambda values, truth: (
        compute(values, truth) if len(truth) >= least and len(_distinct(truth)) > 1 else NOTHING
    )


_CLASSIFICATION: Final[dict[str, Callable[[Classified], Tensor]]] = {
    "accuracy": lambda c: (c.predicted == c.target).double().mean(),
    "f1": _averaged("f1_score"),
    "precision": _averaged("precision"),
    "recall": _averaged("recall"),
    "mcc": _agreement(tmc.multiclass_matthews_corrcoef),
    "auroc": _ranked("auroc"),
    "average_precision": _ranked("average_precision"),
    "log_loss": _log_loss,
    "cohen_kappa": _agreement(tmc.multiclass_cohen_kappa),
    "balanced_accuracy": _balanced,
}
_REGRESSION: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "mae": tmr.mean_absolute_error,
    "mse": tmr.mean_squared_error,
    "rmse": lambda values, truth: tmr.mean_squared_error(values, truth, squared=False),
    "r2": _varied(tmr.r2_score),
    "mape": lambda values, truth: (
        # torchmetrics divides by 1.17e-6 instead of 0
        NOTHING if bool((truth == 0).any()) else tmr.mean_absolute_percentage_error(values, truth)
    ),
    "spearman": _varied(tmr.spearman_corrcoef),
    "pearson": _varied(tmr.pearson_corrcoef),
}


class Scores(torchmetrics.Metric):
    """The metrics of a whole split in a training loop: stores every batch of all devices until `compute`."""

    full_state_update = False

    def __init__(self, names: Iterable[str], task: Task, *, average: Average = "auto", threshold: float = 0.5) -> None:
        super().__init__()
        self.names, self.task, self.average, self.threshold = tuple(names), task, average, threshold
        self.add_state("outputs", default=[], dist_reduce_fx="cat")
        self.add_state("targets", default=[], dist_reduce_fx="cat")
        self.outputs: list[Tensor]
        self.targets: list[Tensor]

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch: logits [B, C] and int64 [B], or predictions [B] and targets [B]."""
        self.outputs.append(outputs.detach())
        self.targets.append(targets)

    def compute(self) -> dict[str, float]:
        """Each metric by name; NaN if it is undefined."""
        # On the CPU: not every accelerator has float64.
        outputs, targets = (dim_zero_cat(values).cpu() for values in (self.outputs, self.targets))
        values = scores(self.task, self.names, outputs, targets, average=self.average, threshold=self.threshold)
        return {name: math.nan if value is None else value for name, value in values.items()}
