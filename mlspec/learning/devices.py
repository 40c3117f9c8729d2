"""The device on which a trained module computes its outputs."""

from __future__ import annotations

import platform
from pathlib import Path
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


def name_of(device: torch.device) -> str:
    """The name of a device: `NVIDIA H100 80GB HBM3`, or the processor's with its threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return f"{processor()}, {threads} thread{'s' if threads != 1 else ''}"


def processor(information: Path = Path("/proc/cpuinfo")) -> str:
    """The name of the processor."""
    try:
        lines = information.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine() or "CPU"
