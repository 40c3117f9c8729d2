"""Metrics that have no value on some rows, and why: a relative error of a zero, a ranking of one class. Light."""

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
    """Why `metric` has no value on rows with these targets, whatever is predicted; `""` where it has one."""
    rows = len(targets)
    if not rows:
        return "there are no rows"
    if metric in _RELATIVE:
        zeros = sum(value == 0 for value in targets)
        have = "has" if zeros == 1 else "have"
        return f"{zeros} of {rows} rows {have} the target 0, and an error relative to 0 has no value" if zeros else ""
    if metric in _VARIED and len(set(targets)) < 2:
        return f"all {rows} rows have the target {targets[0]:g}" if rows > 1 else "there is 1 row; 2 are needed"
    if metric in _RANKED and len(set(targets)) < 2:
        return f"all {rows} rows have one label" if rows > 1 else "there is 1 row; one of each label is needed"
    return ""


def reasons(metrics: Mapping[str, float | None], targets: Column) -> dict[str, str]:
    """Why each metric without a value has none."""
    return {name: reason(name, targets) for name, value in metrics.items() if value is None}


def reason(metric: str, targets: Column) -> str:
    """Why `metric` has no value, of which it is certain that it has none."""
    return undefined(metric, targets) or "the predictions are all equal or not finite"


def usable(names: Sequence[str], targets: Column) -> list[str]:
    """The metrics that have a value on these rows."""
    return [name for name in names if not undefined(name, targets)]


def gates(options: EvaluateSpec, test: Mapping[str, Column], target: str) -> Iterator[tuple[str, str, str]]:
    """Gates that can have no value on the test rows: key, what is wrong, and what to do."""
    for text in options.gates:
        wanted = parse(text)
        if wanted is None or wanted.label is not None:
            continue
        parts = _parts(wanted.slice, options, test, test[target])
        found = [undefined(wanted.metric, part) for part in parts]
        if found and all(found):
            yield (
                f"evaluate.gates.{text}",
                f"`{text}` is not defined on the test rows: {found[0]}",
                _other(wanted.metric),
            )


def _parts(slice: str | None, options: EvaluateSpec, test: Mapping[str, Column], targets: Column) -> Iterator[Column]:
    """The targets of each group of rows that a gate reads."""
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
        return  # reported where the slice is cut
    for name, rows in groups.items():
        if value in ("*", name) and rows:
            yield [targets[row] for row in rows]


def monitors(watched: Mapping[str, str], task: Task, valid: Column) -> Iterator[tuple[str, str, str]]:
    """Keys that watch a metric which can have no value on the validation rows: key, what is wrong, what to do."""
    for key, name in watched.items():
        metric = name.removeprefix("valid/")
        if name.startswith("valid/") and metric in NAMES[task] and (why := undefined(metric, valid)):
            yield key, f"`{name}` is not defined on the validation rows: {why}", _other(metric)


def watched(config: Mapping[str, object]) -> dict[str, str]:
    """What `train` and `sweep` decide by, by key of the spec."""
    found: dict[str, str] = {}
    for path in (("train", "checkpoint", "monitor"), ("train", "early_stopping", "monitor"), ("sweep", "metric")):
        value: object = config
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            found[".".join(path)] = value
    return found


def _other(metric: str) -> str:
    if metric in _RELATIVE:
        return "use mae or rmse instead of mape, or remove the rows with the target 0"
    if metric in _VARIED:
        return "use mae or rmse instead, or get rows with different targets: see data.split"
    return "use accuracy or log_loss instead, or get rows of each label: see data.split"


def shown(found: Iterable[tuple[str, str, str]]) -> tuple[str, str] | None:
    """The findings as one message and one help; None where there are none."""
    listed = list(found)
    if not listed:
        return None
    return "\n  ".join(f"{key}: {what}" for key, what, _ in listed), "; ".join(dict.fromkeys(h for *_, h in listed))
