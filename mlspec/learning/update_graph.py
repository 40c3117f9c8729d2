"""Gradient clipping and the step of the optimizer as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mlspec.learning.graph_recorder import CudaRecorder, Graph, GraphRecorder


class UpdateGraph:
    """Updates the parameters from gradients that lie in the same memory at each step."""

    def __init__(
        self,
        clip: float,
        recorder: GraphRecorder | None = None,
        ready: Callable[[torch.optim.Optimizer], bool] | None = None,
    ) -> None:
        """`ready`: whether the step of an optimizer can be recorded by now; the default is `recordable`."""
        self.clip = clip
        self.recorder = recorder or CudaRecorder()
        self.ready = ready or recordable
        self.graph: Graph | None = None

    def run(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradients and update the parameters. Recorded once the optimizer has its state.

        Raises NotCapturable, before anything changed, if that fails.
        """
        if self.graph is None and self.ready(optimizer):
            device = optimizer.param_groups[0]["params"][0].device
            self.graph, _ = self.recorder.record(lambda: self.plain(optimizer), device)
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
