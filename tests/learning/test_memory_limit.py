"""The batch that fits, after one that did not."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from mlspec.errors import StageError  # noqa: E402
from mlspec.learning.memory_limit import largest  # noqa: E402
from mlspec.parts.train.fitting import memory_errors  # noqa: E402
from mlspec.sections.train import TrainSpec  # noqa: E402


@pytest.mark.parametrize(("most", "expected"), [(100, 32), (32, 32), (31, 16), (1, 1), (0, None)])
def test_halves_are_tried_until_one_fits(most: int, expected: int | None) -> None:
    assert largest(lambda size: size <= most, 64) == expected


@pytest.mark.parametrize(
    ("fitting", "help"),
    [(24, "set train.batch_size: 24, which fits, and train.accumulate: 6 for the same gradients"),
     (None, "lower train.batch_size")],
)  # fmt: skip
def test_a_gpu_without_memory_names_the_batch_that_fits(fitting: int | None, help: str) -> None:
    train = TrainSpec(batch_size=64, accumulate=2)
    with (
        pytest.raises(StageError, match=r"out of memory with train\.batch_size: 64") as raised,
        memory_errors(train, lambda: fitting),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
    assert raised.value.help.startswith(help)


def test_a_cpu_without_memory_gets_the_same_advice(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="out of memory") as raised, memory_errors(TrainSpec(), lambda: None):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
    assert "train.batch_size" in raised.value.help
