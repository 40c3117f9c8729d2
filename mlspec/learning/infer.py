"""A module's raw outputs for the rows of a split."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mlspec.learning.batches import Buckets, lengths, loader
from mlspec.learning.rows import Rows
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
            batch = module(**{name: tensor.to(device) for name, tensor in inputs.items()}).float().cpu().numpy()
            for position, row in enumerate(numbers):
                found[row] = batch[position]
    return np.stack(found)
