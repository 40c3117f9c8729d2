"""After training ran out of memory: the largest batch that fits."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Final

import torch

from mlspec.learning.batches import Collate, lengths
from mlspec.learning.learner import Learner
from mlspec.learning.out_of_memory import out_of_memory
from mlspec.learning.split_rows import Rows
from mlspec.runtime.preprocess import Preprocess

MARGIN: Final = 4
"""A batch counts as fitting if one larger by a quarter does: the memory of a device is fragmented."""


def fitting_batch(module: Learner, rows: Rows, preprocess: Preprocess, batch_size: int) -> int | None:
    """The largest half, quarter, … of `batch_size` whose longest rows fit; None if not even one row fits."""
    sizes = lengths(rows, preprocess)
    order = sorted(range(len(rows)), key=lambda row: -sizes[row])
    collate = Collate(preprocess)

    def train(size: int) -> None:
        inputs, targets = collate([rows[order[at % len(order)]] for at in range(size)])
        with module.trainer.precision_plugin.forward_context():
            on_device = {name: tensor.to(module.device) for name, tensor in inputs.items()}
            total, _ = module.loss(module.trainer.precision_plugin.convert_input(on_device), targets.to(module.device))
        total.backward()  # type: ignore[no-untyped-call]

    module.graphs = None
    return largest(lambda size: _attempt(module, size, train), batch_size)


def largest(fits: Callable[[int], bool], batch_size: int) -> int | None:
    """The first half, quarter, … of `batch_size` for which `fits` holds; None if there is none."""
    size = batch_size // 2
    while size and not fits(size):
        size //= 2
    return size or None


def _attempt(module: Learner, size: int, train: Callable[[int], None]) -> bool:
    """Whether a step with that many rows fits, beside the optimizer's two values for each parameter."""
    release(module)
    parameters = sum(p.numel() * p.element_size() for p in module.parameters() if p.requires_grad)
    has_state = any(optimizer.state for optimizer in module.trainer.optimizers)
    try:
        reserved = torch.empty(0 if has_state else 2 * parameters, dtype=torch.uint8, device=module.device)
        train(size + -(-size // MARGIN))
        del reserved
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return False
    finally:
        release(module)
    return True


def release(module: Learner) -> None:
    """Free what an unfinished step holds."""
    module.zero_grad(set_to_none=True)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
