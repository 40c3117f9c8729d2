"""The metric, label and slice of a gate: `mcc`, `recall[LABEL]`, `accuracy@SLICE`, `ece`. Light."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlspec.sections.metric_names import RANGES
from mlspec.spec.types import bound_parts

if TYPE_CHECKING:
    from mlspec.records.evaluation import Evaluation
    from mlspec.records.record_file import Measured

_FORM = re.compile(r"([a-z][a-z0-9_]*)(?:\[(.+)\])?(?:@([^=]+=.+))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class GateTarget:
    """A metric of all rows, of one label, or of one slice. `slice` is `CUT=VALUE`, where `*` stands for every value."""

    metric: str
    label: str | None = None
    slice: str | None = None


def parse(text: str) -> GateTarget | None:
    """The target of a gate; None if the text is not a valid gate."""
    match = _FORM.fullmatch(text)
    return GateTarget(match[1], match[2], match[3]) if match else None


def possible(metric: str, bound: str) -> bool:
    """Whether any value of the metric satisfies the bound."""
    low, high = RANGES.get(metric, (-math.inf, math.inf))
    sign, number = bound_parts(bound)
    match sign:
        case ">=":
            return number <= high
        case ">":
            return number < high
        case "<=":
            return number >= low
        case "<":
            return number > low
        case _:
            return low <= number <= high


def measured(target: GateTarget, evaluation: Evaluation) -> dict[str, Measured]:
    """The values of a gate's metric, by slice (`""` for all rows); empty if it was not measured."""
    if target.slice is None:
        value_ = _value(target, evaluation)
        return {"": value_[0]} if value_ else {}
    cut, _, value = target.slice.partition("=")
    slices = evaluation.slices
    names = [name for name in slices if name.startswith(f"{cut}=")] if value == "*" else [target.slice]
    return {n: slices[n].metrics[target.metric] for n in names if n in slices and target.metric in slices[n].metrics}


def _value(target: GateTarget, evaluation: Evaluation) -> tuple[Measured] | None:
    if target.label is not None:
        table: Mapping[str, Measured] = evaluation.per_class.get(target.label, {})
    elif target.metric == "ece":
        table = {"ece": evaluation.calibration.ece} if evaluation.calibration else {}
    else:
        table = evaluation.metrics
    return (table[target.metric],) if target.metric in table else None
