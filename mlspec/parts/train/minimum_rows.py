"""Splits and batches with too few rows for training: refused before it starts, or explained when it fails."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
from torch import nn

from mlspec.errors import StageError
from mlspec.job import own_frames, shown_frame
from mlspec.learning.batches import sizes
from mlspec.learning.networks import ImageNetwork
from mlspec.learning.split_rows import Rows
from mlspec.sections.train import TrainSpec

_ONE_VALUE = "Expected more than 1 value per channel when training"
"""The message of torch's batch normalisation (https://github.com/pytorch/pytorch/issues/7716)."""


def enough(train: TrainSpec, rows: Mapping[str, Rows], processes: int, ours: bool) -> None:
    """Raise StageError if a split has too few rows for the `train` section. `ours`: the user has no data module."""
    for split, split_rows in rows.items():
        if not len(split_rows):
            raise StageError(f"the {split} split has no rows", help="change data.split")
        if ours and len(split_rows) < processes:
            count = f"{len(split_rows)} row{'s' if len(split_rows) != 1 else ''}"
            message = f"the {split} split has {count}, fewer than the {processes} training processes"
            raise StageError(message, help=f"train.devices: {len(split_rows)}")
    batches = len(sizes(len(rows["train"]), train.batch_size, True, train.drop_last))
    if ours and train.accumulate > batches:
        raise StageError(
            f"train.accumulate ({train.accumulate}) exceeds the number of batches per epoch ({batches}), "
            "so the gradients would be divided by too many batches",
            help=f"train.accumulate: {batches}, or a smaller train.batch_size "
            f"({len(rows['train'])} rows in batches of {train.batch_size})",
        )


def epochs(train: TrainSpec, rows: int) -> tuple[int, str]:
    """The maximum number of epochs, and the key that sets it."""
    batches = len(sizes(rows, train.batch_size, True, train.drop_last))
    steps = -(-batches // train.accumulate)
    by_steps = -(-train.max_steps // steps) if train.max_steps > 0 and steps else train.max_epochs
    return (by_steps, "max_steps") if by_steps < train.max_epochs else (train.max_epochs, "max_epochs")


def uneven(train: TrainSpec, rows: int, processes: int = 1) -> Iterator[str]:
    """Notes about an incomplete last batch, and about batches with fewer rows than the processes need."""
    if processes > 1 and train.batch_size < 2 * processes:
        busy = max(1, train.batch_size // 2)
        yield f"only {busy} of {processes} processes get rows: train.batch_size ({train.batch_size}) is the total"
    left = rows - sum(sizes(rows, train.batch_size, True, train.drop_last))
    if left:
        yield f"train.drop_last skips {left} of {rows} rows of train in each epoch, different ones each time"
    elif rows > train.batch_size > 1 and rows % train.batch_size == 1:
        yield f"the last batch of 1 row (of {rows}, in batches of {train.batch_size}) is merged into the previous batch"


def normalisable(network: nn.Module, train: TrainSpec, rows: Rows) -> None:
    """Raise StageError if batch normalisation of mlspec's image network would get a single value per channel."""
    least = min(sizes(len(rows), train.batch_size, True, train.drop_last))
    if least == 1 and isinstance(network, ImageNetwork) and network.narrowest == 1:
        raise StageError(
            f"batch normalisation needs more than one value: the last feature map is 1x1 and a batch has 1 row "
            f"(train: {len(rows)} rows, train.batch_size {train.batch_size})",
            help="remove one of model.channels" + ("" if len(rows) < 2 else ", or set train.batch_size: 2"),
        )


@contextmanager
def single_rows(
    train: TrainSpec, rows: int, root: Path, datamodule: pl.LightningDataModule | None = None
) -> Iterator[None]:
    """Convert the error of batch normalisation with a batch of one row to a StageError."""
    try:
        yield
    except ValueError as error:
        if _ONE_VALUE not in str(error):
            raise
        lines = ["batch normalisation needs at least 2 rows per batch in training, and got 1"]
        lines += [shown_frame(frame, root) for frame in own_frames(error, root)[-1:]]
        if datamodule is None:
            counts = f"train has {rows} row{'s' if rows != 1 else ''}, train.batch_size is {train.batch_size}"
            help = "train.batch_size: 2" if rows > 1 else "add data, or use another normalisation (nn.LayerNorm)"
            raise StageError("\n  ".join([*lines, counts]), help=help) from None
        lines.append(f"the batches come from {_place(datamodule, root)}")
        help = "pass drop_last=True to that DataLoader, or a batch_size that leaves no remainder of 1"
        raise StageError("\n  ".join(lines), help=help) from None


def _place(datamodule: pl.LightningDataModule, root: Path) -> str:
    """File and line of the user's `train_dataloader`."""
    method = type(datamodule).train_dataloader
    file, line = Path(inspect.getfile(method)), inspect.getsourcelines(method)[1]
    shown = file.relative_to(root) if file.is_relative_to(root) else file
    return f"{shown}:{line} ({type(datamodule).__name__}.train_dataloader)"
