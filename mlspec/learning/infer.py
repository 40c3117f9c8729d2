"""A module's raw outputs for the rows of a split, and whether they are what a model gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mlspec.errors import StageError
from mlspec.learning.batches import Buckets, lengths, loader
from mlspec.learning.split_rows import Rows
from mlspec.runtime.preprocess import Preprocess


def logits(module: torch.nn.Module, rows: Rows, preprocess: Preprocess, batch_size: int = 64) -> np.ndarray[Any, Any]:
    """The module's raw outputs for all rows, in their order, computed on the device it is on."""
    sampler = Buckets(lengths(rows, preprocess), batch_size, 0, shuffle=False)
    found: list[Any] = [None] * len(rows)
    module.eval()
    # A module without parameters (a baseline of the user's) is on no device.
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        for numbers, (inputs, _) in zip(sampler.batches(0), loader(rows, preprocess, sampler), strict=True):
            given = module(**{name: tensor.to(device) for name, tensor in inputs.items()})
            batch = _tensor(module, given, len(numbers)).float().cpu().numpy()
            for position, row in enumerate(numbers):
                found[row] = batch[position]
    return np.stack(found)


def _tensor(module: torch.nn.Module, given: Any, rows: int) -> torch.Tensor:
    """What `forward` returned. Raises StageError where that is no tensor with an entry for each row."""
    who = f"{type(module).__module__}:{type(module).__name__}.forward"
    if not isinstance(given, torch.Tensor):
        help = "return the logits alone, a torch.Tensor [rows, labels] (of a number: [rows])"
        raise StageError(f"{who} returned {type(given).__name__}, not a torch.Tensor", help=help)
    if not given.ndim or len(given) != rows:
        shape = list(given.shape)
        raise StageError(f"{who} returned the shape {shape} for {rows} rows", help="its first dimension is the rows")
    return given


def checked(outputs: np.ndarray[Any, Any], classes: int) -> None:
    """Refuse outputs that are no logits [B, classes] (or values [B]), or no numbers."""
    shape = f"[{len(outputs)}, {classes}]" if classes else f"[{len(outputs)}]"
    right = outputs.ndim == 2 and outputs.shape[1] == classes if classes else outputs.size == len(outputs)
    if not right:
        raise StageError(
            f"the model's forward gives the shape {list(outputs.shape)} for {len(outputs)} rows, not {shape}",
            help="forward(**inputs) returns logits, one column for each label; or one number a row",
        )
    broken = int((~np.isfinite(outputs.reshape(len(outputs), -1))).any(axis=1).sum())
    if broken:
        raise StageError(
            f"the model gives no finite number for {broken} of {len(outputs)} test rows",
            help="training diverged, or an input has values beyond all others; see metrics/train.json and data.checks",
        )
