"""Adapts Lightning's learning rate finder: its checkpoint, and the progress bar that it always draws."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import TextIOBase
from typing import Any, TextIO

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from mlspec.learning import ranks


class OwnCheckpoints(TorchCheckpointIO):
    """Lightning restores the state after a search from a file that it has just written; it may contain objects."""

    def load_checkpoint(self, path: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """The checkpoint."""
        loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False)
        return loaded


class _WithoutBar(TextIOBase):
    """Standard error without progress bars, which rewrite their line."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text that is not a bar."""
        return len(text) if text.startswith("\r") else self.stream.write(text)

    def flush(self) -> None:
        """Flush the stream."""
        self.stream.flush()


@contextmanager
def without_bar() -> Iterator[None]:
    """Hide the progress bar that Lightning's learning rate finder always draws, unless a person sees it."""
    if sys.stderr.isatty() and ranks.first():
        yield
        return
    with redirect_stderr(_WithoutBar(sys.stderr)):
        yield
