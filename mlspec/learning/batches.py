"""Rows to batches: of like length, so that little is padded, in an order that only seed and epoch decide.

Sorting within shuffled pools keeps the order random while the batches hold rows of nearly one length (the idea is known
as bucketing; Khomenko et al. 2017, https://arxiv.org/abs/1708.05604).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from mlspec.learning.rows import Rows
from mlspec.runtime.preprocess import Feature, Preprocess

POOL = 50
"""Batches that are sorted by length together."""

Batch = tuple[dict[str, torch.Tensor], torch.Tensor]
Position = Callable[[], tuple[int, int]]
"""The epoch, and how many of its batches are already done (above 0 only after a resume)."""


class Buckets(Sampler[list[int]]):
    """Batches of row numbers. Asked for its position when an iteration begins, so that a resumed run goes on there."""

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int, rank: int = 0, world: int = 1, shuffle: bool = True
    ) -> None:
        self.lengths = list(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.rank, self.world = rank, world
        self.shuffle = shuffle
        self.position: Position = lambda: (0, 0)

    def __len__(self) -> int:
        return -(-self._count() // self.world)

    def _count(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """The batches that are left of the current epoch."""
        epoch, done = self.position()
        made = self.batches(epoch)
        # At the end of an epoch Lightning still counts that one's batches.
        yield from made[done if done < len(made) else 0 :]

    def batches(self, epoch: int) -> list[list[int]]:
        """This process's batches of one epoch. Every process has the same number of them."""
        order = list(range(len(self.lengths)))
        chance = random.Random(f"{self.seed}:{epoch}")
        if self.shuffle:
            chance.shuffle(order)
        pool = POOL * self.batch_size
        made: list[list[int]] = []
        for start in range(0, len(order), pool):
            some = sorted(order[start : start + pool], key=lambda row: self.lengths[row])
            made += [some[at : at + self.batch_size] for at in range(0, len(some), self.batch_size)]
        if self.shuffle:
            chance.shuffle(made)
        short = -len(made) % self.world
        return (made + made[:short])[self.rank :: self.world]


class Collate:
    """Rows to a batch of tensors. A class, so that worker processes can receive it."""

    def __init__(self, preprocess: Preprocess) -> None:
        self.preprocess = preprocess

    def __call__(self, rows: Sequence[tuple[Feature, Any]]) -> Batch:
        """Pad the rows to their longest and stack them."""
        inputs = self.preprocess.collate([feature for feature, _ in rows])
        targets = torch.from_numpy(np.asarray([target for _, target in rows]))
        return {name: torch.from_numpy(array) for name, array in inputs.items()}, targets


def loader(rows: Rows, preprocess: Preprocess, sampler: Buckets, workers: int = 0) -> DataLoader[Batch]:
    """A loader over the batches of `sampler`."""
    # A generator of its own: torch would draw from the global one at every epoch, and a resumed run would differ.
    return DataLoader(
        rows,  # type: ignore[arg-type]
        batch_sampler=sampler,
        collate_fn=Collate(preprocess),
        num_workers=workers,
        persistent_workers=workers > 0,
        generator=torch.Generator(),
    )


def lengths(rows: Rows, preprocess: Preprocess) -> list[int]:
    """What rows are bucketed by."""
    return [preprocess.length(feature) for feature in rows.features]
