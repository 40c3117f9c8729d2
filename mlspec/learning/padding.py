"""To which length and with which values the rows of a batch are padded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from mlspec.runtime.preprocess import Preprocess
from mlspec.runtime.preprocess.custom import CustomPreprocess
from mlspec.runtime.preprocess.text import TextPreprocess

MULTIPLE: Final = 8
"""On an accelerator texts are padded to a multiple of this: fewer shapes to plan for, and aligned matrices."""


@dataclass(frozen=True)
class Padding:
    """The padding value of each input that differs in length between rows."""

    values: Mapping[str, int] = field(default_factory=dict)
    multiple: int = 1
    most: int = 0
    """The maximum length of a text; 0 without a text."""

    def width(self, longest: int) -> int:
        """The length of a batch whose longest row has `longest` entries."""
        longest = max(1, longest)
        return max(longest, min(-(-longest // self.multiple) * self.multiple, self.most)) if self.most else longest

    def padded(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The inputs of a batch, padded further to `width`."""
        return {name: self._padded(name, tensor) for name, tensor in inputs.items()}

    def _padded(self, name: str, tensor: Tensor) -> Tensor:
        missing = self.width(tensor.shape[1]) - tensor.shape[1] if name in self.values else 0
        if not missing:
            return tensor
        return functional.pad(tensor, [0, 0] * (tensor.ndim - 2) + [0, missing], value=self.values[name])


def padding(preprocess: Preprocess, device: torch.device, own: bool) -> Padding | None:
    """The padding of these inputs; None for a class that is not mlspec's. `own`: the model is one of mlspec's.

    A module of the user may ignore the attention mask, so its texts are not padded further than to the longest.
    """
    values: dict[str, int] = {}
    most = 0
    for member in getattr(preprocess, "members", (preprocess,)):
        if isinstance(member, TextPreprocess):
            values |= {name: member.pad if name == "input_ids" else 0 for name in member.names}
            most = max(most, member.max_length)
        elif isinstance(member, CustomPreprocess):
            values |= dict.fromkeys(member.varying, 0)
        elif type(member).__module__.partition(".")[0] != "mlspec":
            return None
    return Padding(values, MULTIPLE if own and most and device.type != "cpu" else 1, most)
