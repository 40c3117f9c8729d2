"""The device of `evaluate` and `export`, on machines with other accelerators."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from mlspec.errors import StageError  # noqa: E402
from mlspec.job import Job  # noqa: E402
from mlspec.learning.devices import Available, available, of_evaluation  # noqa: E402
from mlspec.sections.evaluate import EvaluateSpec  # noqa: E402
from mlspec.sections.train import TrainSpec  # noqa: E402

NONE, NVIDIA, APPLE = Available(False, False), Available(True, False), Available(False, True)


def chosen(here: Available, train: str, evaluate: str | None) -> str:
    job = Job(
        Path(), Path(), Path(), {},
        {"train": TrainSpec(accelerator=train), "evaluate": EvaluateSpec(accelerator=evaluate)},
    )  # fmt: skip
    return of_evaluation(job, here).type


@pytest.mark.parametrize(
    ("here", "train", "evaluate", "device"),
    [
        (NVIDIA, "auto", None, "cuda"),
        (NVIDIA, "gpu", None, "cuda"),
        (NVIDIA, "cpu", None, "cpu"),
        (NVIDIA, "auto", "cpu", "cpu"),
        (NVIDIA, "cpu", "gpu", "cuda"),
        (NVIDIA, "cpu", "auto", "cuda"),
        (APPLE, "auto", None, "mps"),
        (APPLE, "gpu", None, "mps"),
        (APPLE, "cpu", "mps", "mps"),
        (NONE, "auto", None, "cpu"),
        (NONE, "cpu", "auto", "cpu"),
    ],
)
def test_the_device_is_that_of_train_or_of_the_key(
    here: Available, train: str, evaluate: str | None, device: str
) -> None:
    assert chosen(here, train, evaluate) == device


@pytest.mark.parametrize(
    ("here", "train", "evaluate", "message"),
    [
        (NONE, "gpu", None, "train.accelerator is gpu, but torch finds no GPU"),
        (NONE, "auto", "gpu", "evaluate.accelerator is gpu, but torch finds no GPU"),
        (NVIDIA, "auto", "mps", "evaluate.accelerator is mps, but torch finds no Apple GPU"),
    ],
)
def test_a_device_that_is_not_there_names_the_key(
    here: Available, train: str, evaluate: str | None, message: str
) -> None:
    with pytest.raises(StageError) as raised:
        chosen(here, train, evaluate)
    assert raised.value.message == message
    assert message.split()[0] in raised.value.help


def test_this_machine_has_what_torch_finds() -> None:
    assert available().cuda == torch.cuda.is_available()
    assert chosen(available(), "cpu", None) == "cpu"
