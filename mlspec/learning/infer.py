"""The raw outputs of a module for the rows of a split, and checks of their shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import numpy as np
import torch

from mlspec.errors import StageError
from mlspec.learning.batch_source import source
from mlspec.learning.batches import Buckets, lengths
from mlspec.learning.devices import name_of
from mlspec.learning.out_of_memory import MORE_MEMORY, out_of_memory
from mlspec.learning.split_rows import Rows
from mlspec.runtime.preprocess import Preprocess
from mlspec.runtime.preprocess.base import Array

Value = TypeVar("Value")
ON_ACCELERATOR: Final = 512
"""Rows in a batch on an accelerator, if they fit: small batches leave it idle."""


def logits(
    module: torch.nn.Module,
    rows: Rows,
    preprocess: Preprocess,
    batch_size: int = 64,
    on: torch.device | None = None,
) -> Array:
    """The module's raw outputs [N, classes] or [N] for all rows in order, computed on the device `on`.

    Without `on` it is that of the module. Where a batch does not fit in the memory, it is halved. Raises StageError if
    not even one row fits, or if `forward` does not return a tensor with one entry for each row.
    """
    # A module without parameters, such as a constant baseline, has no device.
    device = on or next((p.device for p in module.parameters()), torch.device("cpu"))
    if device.type != "cpu":
        batch_size = max(batch_size, ON_ACCELERATOR)
    if _fitting(lambda: module.to(device)) is None:
        raise _too_small(device, f"the model does not fit in the memory of {name_of(device)}")
    while (outputs := _fitting(partial(_logits, module, rows, preprocess, batch_size, device))) is None:
        if batch_size == 1:
            raise _too_small(device, f"out of memory with one row in a batch on {name_of(device)}")
        batch_size //= 2
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return outputs


def _fitting(compute: Callable[[], Value]) -> Value | None:
    """The value; None if the memory does not suffice. What was computed is free when this returns."""
    try:
        return compute()
    except Exception as error:
        if not out_of_memory(error):
            raise
    return None


def _too_small(device: torch.device, message: str) -> StageError:
    help = MORE_MEMORY if device.type == "cpu" else "set evaluate.accelerator: cpu"
    return StageError(message, help=help)


def _logits(
    module: torch.nn.Module, rows: Rows, preprocess: Preprocess, batch_size: int, device: torch.device
) -> Array:
    sampler = Buckets(lengths(rows, preprocess), batch_size, 0, shuffle=False)
    module.eval()
    outputs: list[torch.Tensor] = []
    with torch.inference_mode():
        for numbers, (inputs, _) in zip(sampler.batches(0), source(rows, preprocess, sampler, device), strict=True):
            output = module(**{name: tensor.to(device, non_blocking=True) for name, tensor in inputs.items()})
            outputs.append(_tensor(module, output, len(numbers)).float())
    # Once for all batches: a copy from the device waits for it.
    return _in_order(torch.cat(outputs).cpu().numpy(), sampler.batches(0))


def _in_order(outputs: Array, batches: Sequence[Sequence[int]]) -> Array:
    """The outputs in the order of the rows; `batches` are their numbers."""
    ordered = np.empty_like(outputs)
    ordered[np.concatenate([np.asarray(batch) for batch in batches])] = outputs
    return ordered


def _tensor(module: torch.nn.Module, output: object, rows: int) -> torch.Tensor:
    """The output of `forward`. Raises StageError if it is not a tensor with one entry for each row."""
    who = f"{type(module).__module__}:{type(module).__name__}.forward"
    if not isinstance(output, torch.Tensor):
        help = "return only the logits, a torch.Tensor [rows, labels] (for a number target: [rows])"
        raise StageError(f"{who} returned {type(output).__name__}, not a torch.Tensor", help=help)
    if not output.ndim or len(output) != rows:
        shape = list(output.shape)
        raise StageError(
            f"{who} returned the shape {shape} for {rows} rows", help="return one entry per row in the first dimension"
        )
    return output


def checked(outputs: Array, classes: int) -> None:
    """Raise StageError if the outputs are not finite logits [B, classes], or values [B] if `classes` is 0."""
    shape = f"[{len(outputs)}, {classes}]" if classes else f"[{len(outputs)}]"
    right = outputs.ndim == 2 and outputs.shape[1] == classes if classes else outputs.size == len(outputs)
    if not right:
        raise StageError(
            f"forward returned the shape {list(outputs.shape)} for {len(outputs)} rows, expected {shape}",
            help="return logits with one column for each label, or one number for each row",
        )
    broken = int((~np.isfinite(outputs.reshape(len(outputs), -1))).any(axis=1).sum())
    if broken:
        raise StageError(
            f"the model output is NaN or infinite for {broken} of {len(outputs)} test rows",
            help="lower train.learning_rate if training diverged (see metrics/train.json), "
            "or exclude extreme input values with data.checks",
        )
