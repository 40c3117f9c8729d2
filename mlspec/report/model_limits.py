"""What is known not to work: the limits of a model, read from its schema and its evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.records.evaluation import Evaluation
from mlspec.records.schema import Schema
from mlspec.render.formatting import number
from mlspec.sections.metric_names import LOWER_IS_BETTER

_FEW_ROWS = 30
"""Rows of a slice below which its metrics say little."""
_WORSE = 0.1
"""A slice is worse if its metric is this much worse than that of all rows, relative to it."""
_CALIBRATED = 0.05
"""Expected calibration error up to which confidences are called probabilities."""
_SHOWN = 5


def limits(schema: Schema, evaluation: Evaluation | None) -> Iterator[str]:
    """One sentence for each limit."""
    if schema.labels:
        yield f"Every prediction is one of {len(schema.labels)} labels, also for an input that belongs to none of them."
    for name, given in schema.inputs.items():
        if given.values is not None:
            yield f"Values of `{name}` that are not in the training data are treated as unknown."
    if evaluation is None:
        yield "The model has not been evaluated."
        return
    yield from _baseline(evaluation)
    yield from _weak_slices(evaluation)
    few = [name for name, scores in evaluation.slices.items() if scores.rows < _FEW_ROWS]
    if few:
        yield f"Slices with fewer than {_FEW_ROWS} test rows, whose metrics are uncertain: {_listed(few)}."
    error = evaluation.calibration.ece if evaluation.calibration is not None else 0
    if error > _CALIBRATED:
        yield f"Confidences are not probabilities: the expected calibration error is {number(error)}."


def _baseline(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.constant is None:
        return
    for name, value in evaluation.metrics.items():
        base = evaluation.constant.metrics.get(name)
        if value is not None and base is not None and _gap(name, value, base) <= 0:
            yield f"`{name}` ({number(value)}) is not better than that of a constant prediction ({number(base)})."


def _weak_slices(evaluation: Evaluation) -> Iterator[str]:
    """Slices that are clearly worse than the whole, in the first metric."""
    name = next((n for n, value in evaluation.metrics.items() if value is not None), None)
    if name is None:
        return
    whole = evaluation.metrics[name]
    weak = []
    for part, scores in evaluation.slices.items():
        value = scores.metrics.get(name)
        if value is not None and whole and scores.rows >= _FEW_ROWS and _gap(name, whole, value) > _WORSE * abs(whole):
            weak.append(f"{part} ({number(value)})")
    if weak:
        yield f"`{name}` is {number(whole)} on all test rows, and clearly worse where {_listed(weak)}."


def _gap(name: str, better: float, worse: float) -> float:
    return worse - better if name in LOWER_IS_BETTER else better - worse


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
