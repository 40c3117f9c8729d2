"""Reading a training set before training starts: which rows, and no random generator is advanced by it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, SubsetRandomSampler, TensorDataset
from torch.utils.data import WeightedRandomSampler as Weighted

from mlspec.learning.indexed_batches import MOST, batches, trained_on, undisturbed

OF_MODULE = np.random.default_rng(5)


class Drawn(Dataset[Any]):
    """Every access draws from generators of all kinds."""

    def __init__(self) -> None:
        self.torch = torch.Generator().manual_seed(1)
        inner = random.Random(2)
        self.transforms = [self.jitter, lambda: inner.random()]
        self.nested = {"numpy": np.random.default_rng(3), "old": np.random.RandomState(4)}

    def jitter(self) -> float:
        return float(torch.rand(1, generator=self.torch)) + float(OF_MODULE.random())

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Any:
        values = [transform() for transform in self.transforms]
        values += [self.nested["numpy"].random(), self.nested["old"].random_sample()]
        values += [random.random(), np.random.rand(), float(torch.rand(1))]
        return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("fails", [False, True])
def test_no_random_generator_is_advanced(fails: bool) -> None:
    untouched, read = Drawn(), Drawn()
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    state = OF_MODULE.bit_generator.state
    expected = [untouched[0].tolist() for _ in range(3)]
    OF_MODULE.bit_generator.state = state
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    loader = DataLoader(read, batch_size=4, shuffle=True)
    try:
        with undisturbed(loader.dataset, loader.collate_fn):
            assert len(torch.cat([*batches(loader, range(20))])) == 20
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    assert [read[0].tolist() for _ in range(3)] == expected


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(3))


def plain(count: int = 10) -> TensorDataset:
    return TensorDataset(torch.arange(count))


@pytest.mark.parametrize(
    ("loader", "expected"),
    [
        (DataLoader(plain(), batch_size=4), list(range(10))),
        (DataLoader(plain(), batch_size=4, drop_last=True), list(range(8))),
        (DataLoader(plain(), batch_size=4, shuffle=True, drop_last=True), list(range(10))),
        (DataLoader(plain(), batch_size=4, sampler=SubsetRandomSampler([3, 5])), [3, 5]),
        (DataLoader(plain(), sampler=RandomSampler(plain(), num_samples=5)), None),
        (DataLoader(plain(), sampler=Weighted([0.0] * 9 + [1.0], 10)), None),
        (DataLoader(plain(), batch_sampler=[[1, 2], [3]]), None),
        (DataLoader(plain(), batch_size=None), None),
        (DataLoader(Stream()), None),
        (DataLoader(plain(MOST + 1)), None),
        ([1, 2], None),
    ],
)  # fmt: skip
def test_rows_are_read_where_they_are_certain_to_be_trained_on(loader: Any, expected: list[int] | None) -> None:
    result = trained_on(loader)
    assert (result if result is None else list(result)) == expected


def test_batches_are_collated_as_the_loader_does() -> None:
    loader = DataLoader(plain(), batch_size=4)
    (batch,) = batches(loader, [7, 2])
    assert batch[0].tolist() == [7, 2]
