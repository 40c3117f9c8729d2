"""The metrics that training monitors, and which direction is better: declared, or certain from the name. Light."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mlspec.sections.metric_names import better, direction, no_direction
from mlspec.sections.train import Checkpoint, EarlyStopping, TrainSpec

Mode = Literal["min", "max"]
Goal = Literal["minimize", "maximize"]
GOALS: Final[Mapping[Mode, Goal]] = {"min": "minimize", "max": "maximize"}


@dataclass(frozen=True, slots=True)
class MonitoredMetric:
    """A metric that controls training."""

    subject: str
    """What it controls: `checkpoint`, `early stopping`, `sweep`."""
    name: str
    mode: Mode | None
    """Which direction is better; None if neither the spec nor the name determines it."""
    key: tuple[str, ...]
    """The key of the spec that declares the direction."""

    @property
    def reading(self) -> str:
        """`largest valid/accuracy`."""
        return better(self.name, self.mode)

    @property
    def no_direction(self) -> tuple[str, str]:
        """Message and help for an unknown direction."""
        return no_direction(
            self.name, ".".join(self.key), ("minimize", "maximize") if self.key[-1] == "goal" else ("min", "max")
        )


def of_train(train: TrainSpec) -> Iterator[MonitoredMetric]:
    """The metrics that the section `train` monitors."""
    checkpoint, stop = train.checkpoint, train.stop
    yield MonitoredMetric(
        "checkpoint",
        checkpoint.monitor,
        _mode(checkpoint),
        ("train", "checkpoint", "mode"),
    )
    if stop is not None:
        yield MonitoredMetric("early stopping", stop.monitor, _mode(stop), ("train", "early_stopping", "mode"))


def _mode(declared: Checkpoint | EarlyStopping) -> Mode | None:
    return direction(declared.monitor) if declared.mode == "auto" else declared.mode


def of_sweep(metric: str, goal: str | None) -> MonitoredMetric:
    """The metric that a sweep optimises."""
    mode = next((mode for mode, word in GOALS.items() if word == goal), None) or direction(metric)
    return MonitoredMetric("sweep", metric, mode, ("sweep", "goal"))


def of_run(train: TrainSpec, sweep: object) -> Iterator[MonitoredMetric]:
    """All monitored metrics of a run; `sweep` is that section of its configuration."""
    yield from of_train(train)
    if isinstance(sweep, Mapping) and sweep.get("metric"):
        yield of_sweep(str(sweep["metric"]), _text(sweep.get("goal")))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
