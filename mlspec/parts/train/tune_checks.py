"""Checks of `train.tune` against the other keys of the spec. Light."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlspec.diagnostics import Finding
from mlspec.sections.train import TrainSpec

CODE = "conflicting-options"


def conflicts(train: TrainSpec, sweep: object) -> Iterator[Finding]:
    """What contradicts the search, or makes it useless; `sweep` is that section as plain values."""
    tune = train.search
    if tune is None:
        return
    searched = [name for name in ("batch_size", "learning_rate") if getattr(tune, name) is not None]
    if not searched:
        help = "add `batch_size: {}` or `learning_rate: {}`, or remove it"
        yield Finding(CODE, ("train", "tune"), "train.tune names nothing to find", help)
    parameters = sweep.get("parameters") if isinstance(sweep, Mapping) else None
    for name in searched:
        if isinstance(parameters, Mapping) and f"train.{name}" in parameters:
            message = f"the sweep varies train.{name}, and train.tune.{name} would replace each of its values"
            yield Finding(CODE, ("train", "tune", name), message, "remove one of the two")
    several = isinstance(train.devices, int) and train.devices > 1
    if tune.batch_size is not None and several:
        message = f"train.tune.batch_size needs one device, and train.devices is {train.devices}"
        help = f"search once with train.devices: 1, then set train.batch_size to {train.devices} times that"
        yield Finding(CODE, ("train", "tune", "batch_size"), message, help)
    rate = tune.learning_rate
    if rate is not None and rate.min >= rate.max:
        message = f"train.tune.learning_rate.min ({rate.min:g}) is not below max ({rate.max:g})"
        yield Finding(CODE, ("train", "tune", "learning_rate"), message, "swap them, or raise max")
    if rate is not None and several and ("spawn" in train.strategy or "fork" in train.strategy):
        message = f"with train.strategy {train.strategy} a search cannot return a result"
        yield Finding(CODE, ("train", "strategy"), message, "set train.strategy: ddp")
