"""Forward and backward pass of a batch as one CUDA graph for each batch shape, so that the host launches one kernel.

Clipping and optimizer have a graph of their own (`update_graph.py`). See https://pytorch.org/docs/stable/notes/cuda.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from mlspec.learning.batches import Batch
from mlspec.learning.repeatable import repeatable

Loss = Callable[[Mapping[str, Tensor], Tensor], tuple[Tensor, Tensor]]
"""The summed loss of a batch and the divisor of its mean."""
Shape = tuple[tuple[int, ...], ...]
MOST_SHAPES: Final = 64
"""Maximum number of graphs; batches of further shapes run without one."""


class NotCapturable(Exception):  # noqa: N818 - not an error: the plain path is taken
    """The model cannot be recorded as a graph."""


@dataclass(frozen=True)
class Recorded:
    """A graph with the tensors that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: Mapping[str, Tensor]
    targets: Tensor
    total: Tensor
    weight: Tensor


class StepGraphs:
    """Replays the training step of full batches; a shape is recorded when it occurs a second time."""

    def __init__(self, network: nn.Module, loss: Loss, rows: int) -> None:
        self.network, self.loss, self.rows = network, loss, rows
        self.graphs: dict[Shape, Recorded] = {}
        self.seen: set[Shape] = set()
        self.pool: object = None
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
        with _unchanged(self.network, targets.device):
            self._try(inputs, targets)
        graph = torch.cuda.CUDAGraph()
        if self.pool is None:
            self.pool = torch.cuda.graph_pool_handle()
        with torch.cuda.graph(graph, pool=self.pool):  # type: ignore[arg-type]
            total, weight = self._step(inputs, targets)
            written = [parameter.grad for parameter, _ in self.gradients]
            torch._foreach_copy_([gradient for _, gradient in self.gradients], _all(written))
        for parameter, _ in self.gradients:
            parameter.grad = None
        return Recorded(graph, inputs, targets, total, weight)

    def _try(self, inputs: Mapping[str, Tensor], targets: Tensor) -> None:
        """Run the step once beside the current stream. Raises NotCapturable if it waits for the device."""
        stream = torch.cuda.Stream(targets.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(targets.device))
        before = torch.cuda.get_sync_debug_mode()
        try:
            with torch.cuda.stream(stream):
                self._step(inputs, targets)  # libraries initialise themselves in the first call
                torch.cuda.set_sync_debug_mode("error")
                self._step(inputs, targets)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise NotCapturable(str(error).splitlines()[0]) from None
        finally:
            torch.cuda.set_sync_debug_mode(before)
            torch.cuda.current_stream(targets.device).wait_stream(stream)
        parameters = [p for p in self.network.parameters() if p.grad is not None]
        if not self.gradients:
            self.gradients = [(p, torch.zeros_like(p)) for p in parameters]
        for parameter in parameters:
            parameter.grad = None

    def _step(self, inputs: Mapping[str, Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """Forward and backward pass, with new gradients."""
        for parameter in self.network.parameters():
            parameter.grad = None
        mixed = torch.is_autocast_enabled("cuda")
        # A cached cast of a weight would not be repeated by the graph.
        with torch.autocast("cuda", torch.get_autocast_dtype("cuda"), mixed, cache_enabled=False):
            total, weight = self.loss(inputs, targets)
            loss = total / weight
        with torch.autocast("cuda", enabled=False), repeatable(self.network):
            loss.backward()  # type: ignore[no-untyped-call]
        return total.detach(), weight.detach()


def _shape(inputs: Mapping[str, Tensor]) -> Shape:
    return tuple(tuple(tensor.shape) for tensor in inputs.values())


def _all(tensors: Sequence[Tensor | None]) -> list[Tensor]:
    if any(tensor is None for tensor in tensors):
        raise NotCapturable("the parameters that have a gradient differ between batches")
    return [tensor for tensor in tensors if tensor is not None]


@contextmanager
def _unchanged(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Restore the buffers of the network and the random generator of the device on exit."""
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    random = torch.cuda.get_rng_state(device)
    try:
        yield
    finally:
        torch.cuda.set_rng_state(random, device)
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
