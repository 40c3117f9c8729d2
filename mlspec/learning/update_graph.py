"""Gradient clipping and the step of the optimizer as one CUDA graph."""

from __future__ import annotations

import torch
from torch import Tensor


class UpdateGraph:
    """Updates the parameters from gradients that lie in the same memory at each step."""

    def __init__(self, clip: float) -> None:
        self.clip = clip
        self.graph: torch.cuda.CUDAGraph | None = None

    def run(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradients and update the parameters. Recorded once the optimizer has its state."""
        if self.graph is None and recordable(optimizer):
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.plain(optimizer)
        if self.graph is None:
            self.plain(optimizer)
        else:
            self.graph.replay()

    def plain(self, optimizer: torch.optim.Optimizer) -> None:
        """The same without a graph."""
        if self.clip > 0:
            torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], self.clip)
        optimizer.step()


def recordable(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a step can be recorded: its state exists, and the learning rate is read from the device."""
    groups = optimizer.param_groups
    return bool(optimizer.state) and all(
        group.get("capturable") and isinstance(group["lr"], Tensor) and group["lr"].is_cuda for group in groups
    )
