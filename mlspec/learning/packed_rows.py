"""The rows of a split in one tensor for each input: a batch is a selection of rows, not a loop over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import psutil
import torch
from torch import Tensor

from mlspec.learning.batches import Batch, lengths
from mlspec.learning.padding import Padding
from mlspec.learning.split_rows import Rows
from mlspec.runtime.preprocess import Feature, Preprocess
from mlspec.runtime.preprocess.base import Array

HOST_SHARE: Final = 1 / 4
"""Largest share of the available memory that the tensors may take; larger splits are collated batch by batch."""
DEVICE_SHARE: Final = 1 / 4
"""The same for the free memory of an accelerator."""


@dataclass(frozen=True)
class PackedRows:
    """All rows of a split, padded to the longest row. A dataset whose batches need no collating."""

    rows: Rows
    inputs: Mapping[str, Tensor]
    targets: Tensor
    lengths: Sequence[int]
    padding: Padding

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Feature, np.generic]:
        return self.rows[index]

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        """The batch of these rows, on the device of the tensors."""
        width = self.padding.width(max(self.lengths[row] for row in rows)) if self.padding.values else 0
        index = torch.tensor(rows, dtype=torch.int64)
        if self.targets.is_cuda:
            index = index.pin_memory().to(self.targets.device, non_blocking=True)
        inputs = {
            name: (tensor[:, :width] if name in self.padding.values else tensor).index_select(0, index)
            for name, tensor in self.inputs.items()
        }
        return inputs, self.targets.index_select(0, index)

    def to(self, device: torch.device) -> PackedRows:
        """The same rows in the memory of a device."""
        inputs = {name: tensor.to(device) for name, tensor in self.inputs.items()}
        return replace(self, inputs=inputs, targets=self.targets.to(device))

    @property
    def size(self) -> int:
        """The number of bytes."""
        return sum(tensor.nbytes for tensor in (*self.inputs.values(), self.targets))


def packed(rows: Rows, preprocess: Preprocess, padding: Padding, memory: int | None = None) -> PackedRows | None:
    """The rows as tensors; None if there are none, or if they would take too much memory.

    `memory` is the available memory in bytes; by default that of this machine.
    """
    if not len(rows):
        return None
    sizes = lengths(rows, preprocess)
    width = padding.width(max(sizes))
    if _bytes(rows.features, padding, width) > HOST_SHARE * (available() if memory is None else memory):
        return None
    inputs = {
        name: torch.from_numpy(_stacked([feature[name] for feature in rows.features], padding.values.get(name), width))
        for name in preprocess.names
    }
    return PackedRows(rows, inputs, torch.from_numpy(rows.targets), sizes, padding)


def fits(rows: PackedRows, device: torch.device) -> bool:
    """Whether the rows fit in the memory of a CUDA device, beside a model."""
    return device.type == "cuda" and rows.size <= DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]


def available() -> int:
    """The memory in bytes that programs can get without swapping: also what the system uses as a cache of files."""
    return int(psutil.virtual_memory().available)


def _bytes(features: Sequence[Feature], padding: Padding, width: int) -> int:
    """The size of all rows, padded to `width`."""
    each = sum(
        width * array.nbytes // max(1, len(array)) if name in padding.values else array.nbytes
        for name, array in features[0].items()
    )
    return each * len(features)


def _stacked(arrays: Sequence[Array], value: int | None, width: int) -> Array:
    """The arrays in one; if they differ in length, padded with `value` to `width`."""
    if value is None:
        return np.stack(arrays)
    filled: Array = np.full((len(arrays), width, *arrays[0].shape[1:]), value, dtype=arrays[0].dtype)
    for row, array in enumerate(arrays):
        filled[row, : len(array)] = array
    return filled
