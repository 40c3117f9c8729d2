"""Rows to batches of similar length, to reduce padding, in an order that depends only on seed and epoch.

Bucketing: rows are shuffled, then sorted by length within pools of batches (Khomenko et al. 2017,
https://arxiv.org/abs/1708.05604).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import Sampler

from mlspec.learning.padding import Padding
from mlspec.learning.split_rows import Rows
from mlspec.runtime.preprocess import Feature, Preprocess

POOL = 50
"""Number of batches that are sorted by length together."""

NO_PADDING = Padding()
Batch = tuple[dict[str, torch.Tensor], torch.Tensor]
Position = Callable[[], tuple[int, int]]
"""The epoch, and the number of its batches that are done (above 0 only after a resume)."""


class Buckets(Sampler[list[int]]):
    """Batches of row numbers. `position` is read when an iteration begins, so that a resumed run starts there.

    For training (`shuffle`), a last batch of one row is merged into the previous one: batch normalisation needs a
    variance (https://github.com/pytorch/pytorch/issues/7716). With `drop_last` an incomplete last batch is left out.

    In distributed training the processes split each batch, so that their number changes neither batches nor steps. For
    validation they share the batches: every row counts once.
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
        self._varied = len(set(self.lengths)) > 1
        self.batch_size = batch_size
        self.seed = seed
        self.rank, self.world = rank, world
        self.shuffle, self.drop_last = shuffle, drop_last
        self.position: Position = lambda: (0, 0)

    def __len__(self) -> int:
        count = len(sizes(len(self.lengths), self.batch_size, self.shuffle, self.drop_last))
        return count if self.shuffle else self._each(count)

    def _each(self, batches: int) -> int:
        """The number of validation batches per process: equal for all, because they synchronise after each batch."""
        each = -(-batches // self.world)
        if batches > self.world and each * self.world > len(self.lengths):
            return batches // self.world
        return each

    def __iter__(self) -> Iterator[list[int]]:
        """The remaining batches of the current epoch."""
        epoch, done = self.position()
        batches = self.batches(epoch)
        # At the end of an epoch Lightning still counts the batches of that epoch.
        yield from batches[done if done < len(batches) else 0 :]

    def batches(self, epoch: int) -> list[list[int]]:
        """The batches of this process in one epoch. Every process has the same number."""
        batches = self._whole(epoch)
        if self.shuffle:
            return [
                batch[self.rank :: parts] if self.rank < (parts := self._parts(batch)) else batch for batch in batches
            ]
        each = self._each(len(batches))
        # Batches are split or merged, not repeated: every row counts once in a metric.
        batches = _divided(batches, each * self.world)
        return [batches[at % len(batches)] for at in range(self.rank, each * self.world, self.world)]

    def rows(self, epoch: int) -> list[tuple[int, int]]:
        """Of each training batch the rows of this process (0 if it only repeats those of others), and those of all."""
        return [
            (len(batch[self.rank :: parts]) if self.rank < (parts := self._parts(batch)) else 0, len(batch))
            for batch in self._whole(epoch)
        ]

    def _parts(self, batch: Sequence[int]) -> int:
        """The number of processes that split a batch: each gets at least two rows, for batch normalisation."""
        return max(1, min(self.world, len(batch) // 2))

    def _whole(self, epoch: int) -> list[list[int]]:
        """The batches of one epoch before they are split between processes."""
        order = list(range(len(self.lengths)))
        generator = random.Random(f"{self.seed}:{epoch}")
        if self.shuffle:
            generator.shuffle(order)
        batches = self._cut(order)
        if self.shuffle:
            generator.shuffle(batches)
        return batches

    def _cut(self, order: Sequence[int]) -> list[list[int]]:
        """Consecutive batches of the rows in `order`, sorted by length within each pool."""
        batches: list[list[int]] = []
        rest = list(sizes(len(order), self.batch_size, self.shuffle, self.drop_last))
        start = 0
        while rest:
            now, rest = rest[:POOL], rest[POOL:]
            some = list(order[start : start + sum(now)])
            if self._varied:
                some.sort(key=self.lengths.__getitem__)
            start += len(some)
            ends = list(itertools.accumulate(now))
            batches += [some[end - size : end] for end, size in zip(ends, now, strict=True)]
        return batches


def sizes(rows: int, batch_size: int, training: bool, drop_last: bool) -> list[int]:
    """The number of rows in each batch of an epoch, before the batches are shuffled."""
    full, rest = divmod(rows, batch_size)
    counts = [batch_size] * full
    if not training or not full or (rest > 1 and not drop_last):
        return counts + [rest] * (rest > 0)
    if rest and not drop_last:
        counts[-1] += rest
    return counts


def _divided(batches: list[list[int]], count: int) -> list[list[int]]:
    """`count` batches of the same rows: the largest are split, or the smallest merged; fewer if all have one row."""
    parts = sorted(batches, key=len, reverse=True) if len(batches) > count else list(batches)
    while len(parts) > count:
        last = parts.pop()
        parts[-1] = parts[-1] + last
        parts.sort(key=len, reverse=True)
    while len(parts) < count:
        at = max(range(len(parts)), key=lambda index: len(parts[index]))
        half = len(parts[at]) // 2
        if not half:
            break
        parts[at : at + 1] = [parts[at][:half], parts[at][half:]]
    return parts


class Collate:
    """Collates rows to a batch of tensors. A class, because worker processes have to unpickle it."""

    def __init__(self, preprocess: Preprocess, padding: Padding = NO_PADDING) -> None:
        self.preprocess, self.padding = preprocess, padding

    def __call__(self, rows: Sequence[tuple[Feature, np.generic]]) -> Batch:
        """Pad the rows to one length and stack them."""
        inputs = self.preprocess.collate([feature for feature, _ in rows])
        targets = torch.from_numpy(np.asarray([target for _, target in rows]))
        return self.padding.padded({name: torch.from_numpy(array) for name, array in inputs.items()}), targets


def lengths(rows: Rows, preprocess: Preprocess) -> list[int]:
    """The length of each row, by which rows are bucketed."""
    return [preprocess.length(feature) for feature in rows.features]
