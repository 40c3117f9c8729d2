"""Forward and backward pass of a batch as one CUDA graph for each batch shape, so that the host launches one kernel.

Clipping and optimizer have a graph of their own (`update_graph.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from mlspec.learning.batches import Batch
from mlspec.learning.graph_recorder import CudaRecorder, Graph, GraphRecorder, NotCapturable
from mlspec.learning.repeatable import repeatable

Loss = Callable[[Mapping[str, Tensor], Tensor], tuple[Tensor, Tensor]]
"""The summed loss of a batch and the divisor of its mean."""
Shape = tuple[tuple[int, ...], ...]
MOST_SHAPES: Final = 64
"""Maximum number of graphs; batches of further shapes run without one."""


@dataclass(frozen=True)
class Recorded:
    """A graph with the tensors that it reads and writes."""

    graph: Graph
    inputs: Mapping[str, Tensor]
    targets: Tensor
    total: Tensor
    weight: Tensor


class StepGraphs:
    """Replays the training step of full batches; a shape is recorded when it occurs a second time."""

    def __init__(self, network: nn.Module, loss: Loss, rows: int, recorder: GraphRecorder | None = None) -> None:
        self.network, self.loss, self.rows = network, loss, rows
        self.recorder = recorder or CudaRecorder()
        self.graphs: dict[Shape, Recorded] = {}
        self.seen: set[Shape] = set()
        self.gradients: list[tuple[nn.Parameter, Tensor]] = []
        """Shared by all graphs, because only the gradients of the last step are needed."""

    def knows(self, batch: Batch) -> bool:
        """Whether the batch has a graph."""
        return len(batch[1]) == self.rows and _shape(batch[0]) in self.graphs

    def replay(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """The summed loss and the divisor of its mean; the gradients are in the parameters.

        None if the batch has no graph. Raises NotCapturable if the model cannot be recorded.
        """
        inputs, targets = batch
        if len(targets) != self.rows:
            return None
        shape = _shape(inputs)
        recorded = self.graphs.get(shape)
        if recorded is None:
            if shape not in self.seen or len(self.graphs) >= MOST_SHAPES:
                self.seen.add(shape)
                return None
            recorded = self.graphs[shape] = self._record(inputs, targets)
        for name, tensor in inputs.items():
            recorded.inputs[name].copy_(tensor, non_blocking=True)
        recorded.targets.copy_(targets, non_blocking=True)
        recorded.graph.replay()
        for parameter, gradient in self.gradients:
            parameter.grad = gradient
        # The next replay overwrites the tensors of the graph.
        return recorded.total.clone(), recorded.weight.clone()

    def _record(self, inputs: Mapping[str, Tensor], targets: Tensor) -> Recorded:
        inputs = {name: tensor.clone() for name, tensor in inputs.items()}
        targets = targets.clone()
        try:
            with _unchanged(self.network):
                self.recorder.attempt(lambda: self._step(inputs, targets), targets.device)
            read = [parameter for parameter in self.network.parameters() if parameter.grad is not None]
            if not self.gradients:
                self.gradients = [(parameter, torch.zeros_like(parameter)) for parameter in read]
            if list(map(id, read)) != [id(parameter) for parameter, _ in self.gradients]:
                raise NotCapturable("the parameters that have a gradient differ between batches")
            self._clear()
            graph, (total, weight) = self.recorder.record(lambda: self._into_gradients(inputs, targets), targets.device)
        finally:
            self._clear()
        return Recorded(graph, inputs, targets, total, weight)

    def _clear(self) -> None:
        for parameter in self.network.parameters():
            parameter.grad = None

    def _into_gradients(self, inputs: Mapping[str, Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """A step that writes its gradients where all graphs do."""
        losses = self._step(inputs, targets)
        written = [parameter.grad for parameter, _ in self.gradients if parameter.grad is not None]
        torch._foreach_copy_([gradient for _, gradient in self.gradients], written)
        return losses

    def _step(self, inputs: Mapping[str, Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """Forward and backward pass, with new gradients."""
        self._clear()
        kind = targets.device.type
        mixed = torch.is_autocast_enabled(kind)
        # A cached cast of a weight would not be repeated by the graph.
        with torch.autocast(kind, torch.get_autocast_dtype(kind), mixed, cache_enabled=False):
            total, weight = self.loss(inputs, targets)
            loss = total / weight
        with torch.autocast(kind, enabled=False), repeatable(self.network):
            loss.backward()  # type: ignore[no-untyped-call]
        return total.detach(), weight.detach()


def _shape(inputs: Mapping[str, Tensor]) -> Shape:
    return tuple(tuple(tensor.shape) for tensor in inputs.values())


@contextmanager
def _unchanged(network: nn.Module) -> Iterator[None]:
    """Restore the buffers of the network on exit."""
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
