"""Records CUDA graphs, and reports what cannot be recorded. See https://pytorch.org/docs/stable/notes/cuda.html."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import torch

from mlspec.learning.out_of_memory import first_reason, out_of_memory

Value = TypeVar("Value")


class NotCapturable(Exception):  # noqa: N818 - not an error: the plain path is taken
    """The model cannot be recorded as a graph."""


class Graph(Protocol):
    """Operations that were recorded."""

    def replay(self) -> None:
        """Execute them."""


class GraphRecorder(Protocol):
    """Records operations as graphs. Both methods raise NotCapturable, or an error about memory."""

    def attempt(self, step: Callable[[], object], device: torch.device) -> None:
        """Execute a step twice, so that libraries initialise themselves. Random numbers stay unused."""

    def record(self, step: Callable[[], Value], device: torch.device) -> tuple[Graph, Value]:
        """The graph of a step, which is not executed, and the result into which it will write."""


class CudaRecorder:
    """Records CUDA graphs that share the memory of what they compute on the way."""

    def __init__(self) -> None:
        self.pool: Any = None

    def attempt(self, step: Callable[[], object], device: torch.device) -> None:
        """Execute a step twice beside the current stream. Raises NotCapturable if it waits for the device."""
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(device))
        before, random = torch.cuda.get_sync_debug_mode(), torch.cuda.get_rng_state(device)
        try:
            with torch.cuda.stream(stream):
                step()
                torch.cuda.set_sync_debug_mode("error")
                step()
        except RuntimeError as error:
            raise_if_memory(error)
            raise NotCapturable(first_reason(error)) from None
        finally:
            torch.cuda.set_sync_debug_mode(before)
            torch.cuda.current_stream(device).wait_stream(stream)
            torch.cuda.set_rng_state(random, device)

    def record(self, step: Callable[[], Value], device: torch.device) -> tuple[Graph, Value]:
        """The graph of a step, and its result. A failure leaves stream and random generator as they were."""
        if self.pool is None:
            self.pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        generator = torch.cuda.default_generators[device.index or 0]
        before = generator.clone_state()
        try:
            # Where ending the recording fails, torch.cuda.graph does not restore the stream itself.
            with torch.cuda.stream(torch.cuda.current_stream(device)), torch.cuda.graph(graph, pool=self.pool):
                value = step()
        except RuntimeError as error:
            # The generator may still expect to be recorded.
            generator.graphsafe_set_state(before)
            raise_if_memory(error)
            raise NotCapturable(first_reason(error)) from None
        return graph, value


def raise_if_memory(error: RuntimeError) -> None:
    """Raise the error again if the memory did not suffice."""
    if out_of_memory(error):
        raise error
