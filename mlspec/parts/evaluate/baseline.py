"""The majority-class baseline, or the mean for a number target: the metrics of a constant prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mlspec.learning.metrics import Classified, of_classified, scores
from mlspec.records.evaluation import Constant
from mlspec.sections.metric_names import LOWER_IS_BETTER

Metrics = Mapping[str, float | None]
_HELP = "raise train.max_epochs; if train/loss in artifacts/report.html does not fall, lower train.learning_rate"


def label(names: Sequence[str], predictions: Classified, labels: Sequence[str]) -> Constant:
    """The most frequent label as prediction for every row, with the label frequencies as probabilities."""
    counts = torch.bincount(predictions.target, minlength=predictions.classes)
    most = int(counts.argmax())
    shares = (counts.double() / counts.sum()).expand(len(predictions.target), -1)
    always = replace(predictions, probabilities=shares, predicted=torch.full_like(predictions.target, most))
    return Constant(answer=labels[most], metrics=of_classified(names, always))


def number(names: Sequence[str], target: Tensor) -> Constant:
    """The mean target [N] as prediction for every row."""
    mean = target.double().mean()
    values = scores("regression", names, mean.expand(len(target)), target)
    # Rounded, because its r2 is 0 except for rounding errors.
    metrics = {n: None if v is None else round(v, 12) + 0.0 for n, v in values.items()}
    return Constant(answer=float(mean), metrics=metrics)


def single_answer(answers: Sequence[str], labels: Sequence[str], actual: Sequence[str]) -> str:
    """The warning about a model that predicts one label for every row of several; `""` otherwise."""
    if len(set(answers)) != 1 or len(set(actual)) < 2:
        return ""
    share = sum(answers[0] == label for label in actual) / len(actual)
    help = "train: {class_weights: balanced}" + (", or a lower evaluate.threshold" if len(labels) == 2 else "")
    message = f"the model predicts `{answers[0]}` for every row of test; {share:.1%} of them have this label"
    return f"{message}\n  help: {help}"


def about(names: Sequence[str], labels: Sequence[str], average: str) -> str:
    """Which label the metrics are about that measure one of two labels; `""` without such a metric."""
    one_sided = [name for name in names if name in ("f1", "precision", "recall", "average_precision")]
    one_sided = [name for name in one_sided if average in ("auto", "binary") or name == "average_precision"]
    if len(labels) != 2 or not one_sided:
        return ""
    verb = "are" if len(one_sided) > 1 else "is"
    return f"{', '.join(one_sided)} {verb} about the second label, `{labels[1]}`  [data.target.labels]"


def no_better(metrics: Metrics, constant: Constant) -> str:
    """The warning about a model that does not beat the baseline in any metric; `""` otherwise."""
    pairs = [(name, value, constant.metrics.get(name)) for name, value in metrics.items()]
    known = [(name, value, floor) for name, value, floor in pairs if value is not None and floor is not None]
    if not known or any(value < floor if name in LOWER_IS_BETTER else value > floor for name, value, floor in known):
        return ""
    name, value, floor = known[0]
    answer = constant.answer
    baseline = "majority-class baseline" if isinstance(answer, str) else "constant baseline"
    shown = f"`{answer}`" if isinstance(answer, str) else f"{answer:.4g}"
    message = (
        f"the model does not beat the {baseline} ({shown} for every row): {name} {value:.4g}, baseline {floor:.4g}"
    )
    return f"{message}\n  help: {_HELP}"
