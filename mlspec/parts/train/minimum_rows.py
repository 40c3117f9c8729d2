"""Numbers of rows with which no training is possible: refused before it begins, or explained where it fails."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from mlspec.errors import StageError
from mlspec.job import own_frames, shown_frame
from mlspec.learning.batches import sizes
from mlspec.learning.networks import ImageNetwork
from mlspec.learning.split_rows import Rows
from mlspec.sections.train import TrainSpec

_ONE_VALUE = "Expected more than 1 value per channel when training"
"""What torch raises from batch normalisation (https://github.com/pytorch/pytorch/issues/7716)."""


def enough(train: TrainSpec, rows: Mapping[str, Rows], processes: int, ours: bool) -> None:
    """Raise StageError where a split has too few rows for the `train` section. `ours`: no DataModule of the user's."""
    for split, found in rows.items():
        if not len(found):
            raise StageError(f"the {split} split has no rows", help="see data.split")
        if ours and len(found) < processes:
            count = f"{len(found)} row{'s' if len(found) != 1 else ''}"
            message = f"the {split} split has {count}, fewer than the {processes} processes of the training"
            raise StageError(message, help=f"train.devices: {len(found)}")
    batches = len(sizes(len(rows["train"]), train.batch_size, True, train.drop_last))
    if ours and train.accumulate > batches:
        raise StageError(
            f"train.accumulate is {train.accumulate}, and an epoch has {batches} batch{'es' if batches > 1 else ''}: "
            "the gradients would be divided by more batches than there are",
            help=f"train.accumulate: {batches}, or a smaller train.batch_size "
            f"({len(rows['train'])} rows in batches of {train.batch_size})",
        )


def epochs(train: TrainSpec, rows: int) -> tuple[int, str]:
    """How many epochs there are at most, and the key that says so."""
    batches = len(sizes(rows, train.batch_size, True, train.drop_last))
    steps = -(-batches // train.accumulate)
    by_steps = -(-train.max_steps // steps) if train.max_steps and steps else train.max_epochs
    return (by_steps, "max_steps") if by_steps < train.max_epochs else (train.max_epochs, "max_epochs")


def uneven(train: TrainSpec, rows: int, processes: int = 1) -> Iterator[str]:
    """What becomes of a last batch that is not full, where that is not plain, and of batches too small to divide."""
    if processes > 1 and train.batch_size < 2 * processes:
        busy = max(1, train.batch_size // 2)
        yield f"{busy} of {processes} processes get rows: train.batch_size is {train.batch_size} for all together"
    left = rows - sum(sizes(rows, train.batch_size, True, train.drop_last))
    if left:
        yield f"train.drop_last leaves out {left} of {rows} rows of train in each epoch, other ones each time"
    elif rows > train.batch_size > 1 and rows % train.batch_size == 1:
        yield f"the last batch of 1 row (of {rows}, in batches of {train.batch_size}) joins the batch before it"


def normalisable(network: nn.Module, train: TrainSpec, rows: Rows) -> None:
    """Raise StageError where mlspec's image network would normalise over one single value."""
    least = min(sizes(len(rows), train.batch_size, True, train.drop_last))
    if least == 1 and isinstance(network, ImageNetwork) and network.narrowest == 1:
        raise StageError(
            f"the last convolution sees pictures of 1x1, and a batch has 1 row (train: {len(rows)} rows, "
            f"train.batch_size {train.batch_size}): nothing can be normalised over one value",
            help="remove one of model.channels" + ("" if len(rows) < 2 else ", or set train.batch_size: 2"),
        )


@contextmanager
def single_rows(train: TrainSpec, rows: int, root: Path, datamodule: Any = None) -> Iterator[None]:
    """Explain the failure of a normalisation layer in a batch of one row."""
    try:
        yield
    except ValueError as error:
        if _ONE_VALUE not in str(error):
            raise
        lines = ["batch normalisation got a batch of 1 row, and needs 2 or more in training"]
        lines += [shown_frame(frame, root) for frame in own_frames(error, root)[-1:]]
        if datamodule is None:
            counts = f"train has {rows} row{'s' if rows != 1 else ''}, train.batch_size is {train.batch_size}"
            help = "train.batch_size: 2" if rows > 1 else "get more data, or normalise otherwise (nn.LayerNorm)"
            raise StageError("\n  ".join([*lines, counts]), help=help) from None
        lines.append(f"its batches are made in {_place(datamodule, root)}")
        help = "pass drop_last=True to that DataLoader, or a batch_size that leaves no remainder of 1"
        raise StageError("\n  ".join(lines), help=help) from None


def _place(datamodule: Any, root: Path) -> str:
    """File and line of the project's `train_dataloader`."""
    method = type(datamodule).train_dataloader
    file, line = Path(inspect.getfile(method)), inspect.getsourcelines(method)[1]
    shown = file.relative_to(root) if file.is_relative_to(root) else file
    return f"{shown}:{line} ({type(datamodule).__name__}.train_dataloader)"
