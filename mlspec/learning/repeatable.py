"""Attention whose backward pass gives the same bits each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from mlspec.learning.networks import FULL_ATTENTION, PretrainedNetwork, TextNetwork


@contextmanager
def repeatable(network: nn.Module) -> Iterator[None]:
    """Require deterministic algorithms in the backward pass of a text network, if training uses them.

    Memory-efficient attention splits long texts and adds the parts in any order, unless torch's mode is strict.
    Elsewhere it is not, because then operators without a deterministic form raise an error; these networks have none.
    """
    if not torch.is_deterministic_algorithms_warn_only_enabled() or not _attends(network):
        yield
        return
    torch._C._set_deterministic_algorithms(True, warn_only=False)
    try:
        yield
    finally:
        torch._C._set_deterministic_algorithms(True, warn_only=True)


def _attends(network: nn.Module) -> bool:
    """Whether all operators of a network are known, and attention is one of them."""
    if isinstance(network, PretrainedNetwork):
        return getattr(getattr(network.encoder, "config", None), "model_type", "") in FULL_ATTENTION
    return isinstance(network, TextNetwork)
