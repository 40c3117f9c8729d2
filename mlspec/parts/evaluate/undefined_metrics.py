"""Metrics that are undefined on some rows, and why: relative errors of zero, rankings of one class. Light."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlspec.parts.evaluate import slices
from mlspec.parts.evaluate.gate_targets import parse
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.sections.metric_names import NAMES, Task

Column = Sequence[Any]

_RELATIVE = ("mape",)
_VARIED = ("r2", "pearson", "spearman")
_RANKED = ("auroc", "average_precision")


def undefined(metric: str, targets: Column) -> str:
    """Why `metric` is undefined on rows with these targets for any predictions; `""` if it is defined."""
    rows = len(targets)
    if not rows:
        return "the split has 0 rows"
    if metric in _RELATIVE:
        zeros = sum(value == 0 for value in targets)
        have = "has" if zeros == 1 else "have"
        return f"{zeros} of {rows} rows {have} the target 0, for which a relative error is undefined" if zeros else ""
    if metric in _VARIED and len(set(targets)) < 2:
        return f"all {rows} rows have the target {targets[0]:g}" if rows > 1 else "it needs 2 rows and has 1"
    if metric in _RANKED and len(set(targets)) < 2:
        return f"all {rows} rows have one label" if rows > 1 else "it needs a row of each label and has 1 row"
    return ""


def reasons(metrics: Mapping[str, float | None], targets: Column) -> dict[str, str]:
    """The reason for each undefined metric."""
    return {name: reason(name, targets) for name, value in metrics.items() if value is None}


def reason(metric: str, targets: Column) -> str:
    """Why `metric`, which is known to be undefined, is undefined."""
    return undefined(metric, targets) or "the predictions are all equal or not finite"


def usable(names: Sequence[str], targets: Column) -> list[str]:
    """The metrics that are defined on these rows."""
    return [name for name in names if not undefined(name, targets)]


def gates(options: EvaluateSpec, test: Mapping[str, Column], target: str) -> Iterator[tuple[str, str, str]]:
    """Gates that are undefined on the test rows: key, message, help."""
    for text in options.gates:
        gate = parse(text)
        if gate is None or gate.label is not None:
            continue
        parts = _parts(gate.slice, options, test, test[target])
        reasons_ = [undefined(gate.metric, part) for part in parts]
        if reasons_ and all(reasons_):
            yield (
                f"evaluate.gates.{text}",
                f"`{text}` is undefined on the test rows: {reasons_[0]}",
                _other(gate.metric),
            )


def _parts(slice: str | None, options: EvaluateSpec, test: Mapping[str, Column], targets: Column) -> Iterator[Column]:
    """The targets of each group of rows that a gate covers."""
    if slice is None:
        yield targets
        return
    cut, _, value = slice.partition("=")
    how = options.cuts.get(cut)
    column = (how.column or cut) if how else ""
    if how is None or column not in test:
        return
    try:
        groups = slices.cut(test[column], how)
    except ValueError:
        return  # reported when the rows are sliced
    for name, rows in groups.items():
        if value in ("*", name) and rows:
            yield [targets[row] for row in rows]


def monitors(watched: Mapping[str, str], task: Task, valid: Column) -> Iterator[tuple[str, str, str]]:
    """Monitored metrics that are undefined on the validation rows: key, message, help."""
    for key, name in watched.items():
        metric = name.removeprefix("valid/")
        if name.startswith("valid/") and metric in NAMES[task] and (why := undefined(metric, valid)):
            yield key, f"`{name}` is undefined on the validation rows: {why}", _other(metric)


def watched(config: Mapping[str, object]) -> dict[str, str]:
    """The metrics that `train` and `sweep` monitor, by key of the spec."""
    metrics: dict[str, str] = {}
    for path in (("train", "checkpoint", "monitor"), ("train", "early_stopping", "monitor"), ("sweep", "metric")):
        value: object = config
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            metrics[".".join(path)] = value
    return metrics


def _other(metric: str) -> str:
    if metric in _RELATIVE:
        return "use mae or rmse instead of mape, or remove the rows with the target 0"
    if metric in _VARIED:
        return "use mae or rmse instead, or change data.split so that the targets vary"
    return "use accuracy or log_loss instead, or change data.split so that it has rows of each label"


def shown(undefined_metrics: Iterable[tuple[str, str, str]]) -> tuple[str, str] | None:
    """One message and one help for all of them; None if there are none."""
    listed = list(undefined_metrics)
    if not listed:
        return None
    return "\n  ".join(f"{key}: {what}" for key, what, _ in listed), "; ".join(dict.fromkeys(h for *_, h in listed))
