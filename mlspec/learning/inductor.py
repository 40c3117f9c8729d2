"""torch.compile for a module, with the plain code where it fails."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from mlspec.errors import StageError
from mlspec.learning.out_of_memory import out_of_memory
from mlspec.stage_result import decide


def compile_module(module: nn.Module, deterministic: bool) -> None:
    """Compile the forward and backward pass of a module when it is first called."""
    import torch._dynamo
    import torch._inductor.config

    # A training earlier in this process would leave code for other shapes, and rounding would depend on it.
    torch._dynamo.reset()
    # Else dropout draws other numbers than without compilation.
    torch._inductor.config.fallback_random = deterministic
    decide("train.compile: torch.compile; the first steps of each shape of a batch are slow")
    or_plain(module, torch.compile(module._call_impl))


def or_plain(module: nn.Module, compiled: Callable[..., Any]) -> None:
    """Call `compiled` instead of the module until it fails to compile."""
    from torch._dynamo.exc import TorchDynamoException

    def call(*args: object, **kwargs: object) -> object:
        try:
            return compiled(*args, **kwargs)
        except TorchDynamoException as error:
            if out_of_memory(error):
                raise
            module._compiled_call_impl = None
            decide(f"train.compile: training runs without torch.compile, which failed: {_reason(error)}")
            return module._call_impl(*args, **kwargs)  # type: ignore[no-untyped-call]

    module._compiled_call_impl = call


@contextmanager
def compile_errors() -> Iterator[None]:
    """Convert an error of torch.compile in the backward pass to a StageError."""
    try:
        yield
    except RuntimeError as error:
        exceptions: Any = sys.modules.get("torch._dynamo.exc")
        if exceptions is None or not isinstance(error, exceptions.TorchDynamoException) or out_of_memory(error):
            raise
        raise StageError(f"torch.compile failed: {_reason(error)}", help="set train.compile: off") from None


def _reason(error: Exception) -> str:
    """The first line of the error."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
