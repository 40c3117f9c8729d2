"""Warnings about monitors and early stopping that are probably mistakes, at build and in the stage. Light."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlspec.diagnostics import Finding
from mlspec.parts.train.monitors import GOALS, MonitoredMetric
from mlspec.sections.metric_names import direction
from mlspec.sections.train import TrainSpec

Lines = Mapping[str, Mapping[str, int]]
"""For each name that a class logs the methods that log it, with their lines."""


def against(monitor: MonitoredMetric) -> Finding | None:
    """A warning if the declared direction contradicts the name of the metric."""
    certain = direction(monitor.name)
    if certain is None or monitor.mode is None or monitor.mode == certain:
        return None
    goal = monitor.key[-1] == "goal"
    written, right = (GOALS[monitor.mode], GOALS[certain]) if goal else (monitor.mode, certain)
    message = (
        f"{monitor.subject}: `{monitor.key[-1]}: {written}` selects the {monitor.reading}, but judging by its name "
        f"{monitor.name} is better when {'smaller' if certain == 'min' else 'larger'}"
    )
    help = f"set {'.'.join(monitor.key)}: {right}; if {written} is correct, rename the metric"
    return Finding("unlikely-direction", monitor.key, message, help, severity="warning")


def idle(train: TrainSpec, epochs: int, limit: str) -> Finding | None:
    """A warning if early stopping cannot trigger within `epochs`; `limit` is the key that sets them.

    It reads one value per epoch, and the first one is always the best so far.
    """
    stop = train.stop
    if stop is None or (earliest := max(stop.patience, 1) + 1) < epochs:
        return None
    reached = f"train.{limit} ends training after epoch {epochs}"
    message = f"early stopping with patience {stop.patience} cannot stop before epoch {earliest}, but {reached}"
    lower = f"set train.early_stopping.patience: {epochs - 2} or lower, or " if epochs > 2 else ""
    longer = f"raise train.{limit}" + (f" to {earliest + 1} or higher" if limit == "max_epochs" else "")
    help = f"{lower or 'remove train.early_stopping, or '}{longer}"
    return Finding("patience-too-long", ("train", "early_stopping", "patience"), message, help, severity="warning")


def twice(monitors: Iterable[MonitoredMetric], logged: Lines, file: str) -> Iterator[Finding]:
    """Findings for names that training and validation both log."""
    watched = {m.name: (*m.key[:-1], "metric" if m.subject == "sweep" else "monitor") for m in monitors}
    for name, methods in logged.items():
        places = {method: f" ({file}:{line})" for method, line in methods.items()}
        if finding := ambiguous(name, places, watched.get(name)):
            yield finding


def ambiguous(name: str, places: Mapping[str, str], monitored: tuple[str, ...] | None) -> Finding | None:
    """An error if the name is monitored and logged twice, a warning if it is only plotted; None if logged once.

    `places` are the methods that log it, each with its location.
    """
    sides = [next((m for m in sorted(places) if side in m), None) for side in ("train", "validation")]
    if None in sides:
        return None
    where = " and by ".join(f"{method}{places[method]}" for method in sides if method)
    message = f"`{name}` is logged by {where}: one value overwrites the other"
    help = f"log them under two names, `train/{name}` and `valid/{name}`" + (
        f", and set {'.'.join(monitored)}: valid/{name}" if monitored else ""
    )
    at = monitored or ("model", "class")
    return Finding("ambiguous-metric", at, message, help, severity="error" if monitored else "warning")
