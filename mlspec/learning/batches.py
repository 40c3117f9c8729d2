"""Rows to batches: of like length, so that little is padded, in an order that only seed and epoch decide.

Sorting within shuffled pools keeps the order random while the batches hold rows of nearly one length (the idea is known
as bucketing; Khomenko et al. 2017, https://arxiv.org/abs/1708.05604).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from mlspec.learning.split_rows import Rows
from mlspec.runtime.preprocess import Feature, Preprocess

POOL = 50
"""Batches that are sorted by length together."""

Batch = tuple[dict[str, torch.Tensor], torch.Tensor]
Position = Callable[[], tuple[int, int]]
"""The epoch, and how many of its batches are already done (above 0 only after a resume)."""


class Buckets(Sampler[list[int]]):
    """Batches of row numbers. Asked for its position when an iteration begins, so that a resumed run goes on there.

    For training (`shuffle`), a last batch of one row joins the batch before it: one row has no variance to normalise by
    (https://github.com/pytorch/pytorch/issues/7716). With `drop_last` a last batch that is not full is left out.

    Several processes divide each batch of a training, so that their number changes neither the batches nor the steps.
    For validation they divide the batches themselves: every row counts once.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> None:
        self.lengths = list(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.rank, self.world = rank, world
        self.shuffle, self.drop_last = shuffle, drop_last
        self.position: Position = lambda: (0, 0)

    def __len__(self) -> int:
        made = len(sizes(len(self.lengths), self.batch_size, self.shuffle, self.drop_last))
        return made if self.shuffle else self._each(made)

    def _each(self, batches: int) -> int:
        """How many batches each process measures: one with fewer than the others would let them wait forever."""
        each = -(-batches // self.world)
        if batches > self.world and each * self.world > len(self.lengths):
            return batches // self.world
        return each

    def __iter__(self) -> Iterator[list[int]]:
        """The batches that are left of the current epoch."""
        epoch, done = self.position()
        made = self.batches(epoch)
        # At the end of an epoch Lightning still counts that one's batches.
        yield from made[done if done < len(made) else 0 :]

    def batches(self, epoch: int) -> list[list[int]]:
        """This process's batches of one epoch. Every process has the same number of them."""
        made = self._whole(epoch)
        if self.shuffle:
            return [batch[self.rank :: parts] if self.rank < (parts := self._parts(batch)) else batch for batch in made]
        each = self._each(len(made))
        # Split or joined, not repeated: every row counts once in a metric.
        made = _divided(made, each * self.world)
        return [made[at % len(made)] for at in range(self.rank, each * self.world, self.world)]

    def rows(self, epoch: int) -> list[int]:
        """How many rows of each batch of a training are this process's: 0 where it only keeps the others company."""
        return [
            len(batch[self.rank :: parts]) if self.rank < (parts := self._parts(batch)) else 0
            for batch in self._whole(epoch)
        ]

    def _parts(self, batch: Sequence[int]) -> int:
        """How many processes divide a batch: none of them gets one row, which has no variance to normalise by."""
        return max(1, min(self.world, len(batch) // 2))

    def _whole(self, epoch: int) -> list[list[int]]:
        """The batches of all processes together."""
        order = list(range(len(self.lengths)))
        chance = random.Random(f"{self.seed}:{epoch}")
        if self.shuffle:
            chance.shuffle(order)
        made = self._cut(order)
        if self.shuffle:
            chance.shuffle(made)
        return made

    def _cut(self, order: Sequence[int]) -> list[list[int]]:
        """Consecutive batches of the rows in `order`, sorted by length within each pool."""
        made: list[list[int]] = []
        rest = list(sizes(len(order), self.batch_size, self.shuffle, self.drop_last))
        start = 0
        while rest:
            now, rest = rest[:POOL], rest[POOL:]
            some = sorted(order[start : start + sum(now)], key=lambda row: self.lengths[row])
            start += len(some)
            ends = list(itertools.accumulate(now))
            made += [some[end - size : end] for end, size in zip(ends, now, strict=True)]
        return made


def sizes(rows: int, batch_size: int, training: bool, drop_last: bool) -> list[int]:
    """How many rows each batch of an epoch has, before they are shuffled."""
    full, rest = divmod(rows, batch_size)
    found = [batch_size] * full
    if not training or not full or (rest > 1 and not drop_last):
        return found + [rest] * (rest > 0)
    if rest and not drop_last:
        found[-1] += rest
    return found


def _divided(batches: list[list[int]], count: int) -> list[list[int]]:
    """`count` batches of the same rows: the largest are cut in two, or the smallest joined; fewer of single rows."""
    made = sorted(batches, key=len, reverse=True) if len(batches) > count else list(batches)
    while len(made) > count:
        last = made.pop()
        made[-1] = made[-1] + last
        made.sort(key=len, reverse=True)
    while len(made) < count:
        at = max(range(len(made)), key=lambda index: len(made[index]))
        half = len(made[at]) // 2
        if not half:
            break
        made[at : at + 1] = [made[at][:half], made[at][half:]]
    return made


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
