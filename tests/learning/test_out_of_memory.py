"""Which errors mean that a memory does not suffice, and what a stage says of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mlspec.errors import StageError  # noqa: E402
from mlspec.learning.infer import logits  # noqa: E402
from mlspec.learning.out_of_memory import memory_sentence, of_host, out_of_memory  # noqa: E402
from mlspec.learning.split_rows import Rows  # noqa: E402
from mlspec.parts.train.fitting import memory_errors  # noqa: E402
from mlspec.runtime.preprocess import load  # noqa: E402
from mlspec.runtime.preprocess.fit import fit  # noqa: E402
from mlspec.sections.train import TrainSpec  # noqa: E402

DEVICE = [
    torch.OutOfMemoryError("Allocation on device"),
    torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    RuntimeError("NCCL Error 1: unhandled cuda error\nCuda failure 2 'out of memory'"),
]
HOST = [
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried …"),
    MemoryError("Unable to allocate 8.00 TiB for an array"),
]
OTHER = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED."),
    ValueError("CUDA out of memory"),
]


@pytest.mark.parametrize("error", [*DEVICE, *HOST], ids=str)
def test_errors_about_memory(error: Exception) -> None:
    assert out_of_memory(error)
    assert of_host(error) is any(error is one for one in HOST)


@pytest.mark.parametrize("error", OTHER, ids=str)
def test_other_errors(error: Exception) -> None:
    assert not out_of_memory(error)
    with pytest.raises(type(error)) as raised, memory_errors(TrainSpec(), lambda: None):
        raise error
    assert raised.value is error


def failure(first: Exception, second: Exception, *, hidden: bool) -> Exception:
    """The error that is raised while another one is handled; `hidden`: it has nothing to do with it."""
    try:
        try:
            raise first
        except Exception:
            if hidden:
                raise second from None
            raise second  # noqa: B904
    except Exception as error:
        return error


def test_an_error_that_follows_from_one_about_memory() -> None:
    assert out_of_memory(failure(DEVICE[0], RuntimeError("CUDA error: capture failed"), hidden=False))
    assert not out_of_memory(failure(DEVICE[0], RuntimeError("another"), hidden=True))
    assert not out_of_memory(failure(RuntimeError("one"), RuntimeError("other"), hidden=False))


@pytest.mark.parametrize("error", DEVICE, ids=str)
def test_training_names_the_batch_that_fits(error: Exception) -> None:
    with (
        pytest.raises(StageError, match=r"out of memory with train\.batch_size: 64") as raised,
        memory_errors(TrainSpec(batch_size=64), lambda: 16),
    ):
        raise error
    assert raised.value.help.startswith("set train.batch_size: 16")


@pytest.mark.parametrize("error", [*DEVICE, *HOST], ids=str)
def test_other_stages_say_what_to_do(error: Exception) -> None:
    with pytest.raises(StageError, match=r"^out of memory$") as raised, memory_sentence("buy some"):
        raise error
    assert raised.value.help == "buy some"


class Limited(torch.nn.Module):
    """Runs out of memory with more rows than it holds, or when it is moved."""

    def __init__(self, most: int, error: Exception, *, moves: bool = True) -> None:
        super().__init__()
        self.most, self.error, self.moves = most, error, moves
        self.sizes: list[int] = []

    def to(self, *_: Any, **__: Any) -> Any:
        if not self.moves:
            raise self.error
        return self

    def forward(self, numbers: Any) -> Any:
        self.sizes.append(len(numbers))
        if len(numbers) > self.most:
            raise self.error
        return numbers[:, 0]


def outputs(module: Limited, folder: Path) -> list[float]:
    values = [float(at) for at in range(20)]
    fit({"n": values}, {"n": {"type": "number"}}, folder / "preprocess")
    preprocess = load(folder / "preprocess")
    rows = Rows(None, preprocess.features([{"n": value} for value in values]), np.zeros(20))
    return list(logits(module, rows, preprocess, 16, torch.device("cpu")))


@pytest.mark.parametrize("error", [DEVICE[4], HOST[0]], ids=str)
def test_evaluation_halves_its_batches_until_they_fit(error: Exception, tmp_path: Path) -> None:
    module = Limited(5, error)
    values = outputs(module, tmp_path)
    assert values == sorted(values)
    assert module.sizes == [16, 8, *[4] * 5]


def test_evaluation_says_so_where_nothing_fits(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"^out of memory with one row in a batch on ") as raised:
        outputs(Limited(0, HOST[0]), tmp_path)
    assert "more memory" in raised.value.help
    with pytest.raises(StageError, match=r"^the model does not fit in the memory of "):
        outputs(Limited(9, DEVICE[2], moves=False), tmp_path / "moved")


def test_the_definition_needs_no_torch() -> None:
    code = "import sys, mlspec.learning.out_of_memory; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
