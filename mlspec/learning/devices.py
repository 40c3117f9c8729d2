"""The device on which a trained module computes its outputs."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch

from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.sections.train import TrainSpec

Accelerator = Literal["auto", "cpu", "gpu", "mps"]


class Available(NamedTuple):
    """The accelerators of this machine that torch can use."""

    cuda: bool
    mps: bool


def available() -> Available:
    """What torch finds."""
    return Available(torch.cuda.is_available(), torch.backends.mps.is_available())


def of_evaluation(job: Job, here: Available | None = None) -> torch.device:
    """The device of `evaluate` and of the outputs in `export`: that of `train`, or `evaluate.accelerator`."""
    evaluate, train = job.get(EvaluateSpec), job.get(TrainSpec)
    if evaluate is not None and evaluate.accelerator is not None:
        return device(evaluate.accelerator, "evaluate.accelerator", here)
    return device(train.accelerator if train else "auto", "train.accelerator", here)


def device(accelerator: Accelerator, key: str, here: Available | None = None) -> torch.device:
    """The device of an `accelerator`, which `key` sets. Raises StageError if the machine `here` lacks it."""
    cuda, mps = here or available()
    match accelerator:
        case "cpu":
            return torch.device("cpu")
        case "gpu" if not cuda and not mps:
            raise StageError(f"{key} is gpu, but torch finds no GPU", help=f"set {key}: auto, or check `mlspec doctor`")
        case "mps" if not mps:
            raise StageError(f"{key} is mps, but torch finds no Apple GPU", help=f"set {key}: auto")
        case "mps":
            return torch.device("mps")
        case "auto" | "gpu":
            return torch.device("cuda" if cuda else "mps" if mps else "cpu")
