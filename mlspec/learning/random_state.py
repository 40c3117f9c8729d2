"""The state of the random generators of a process, as tensors and plain values, which load without unpickling."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def state() -> dict[str, Any]:
    """The state of the global generators of torch, NumPy and Python, and of the current GPU."""
    _, keys, position, has_gauss, gauss = np.random.get_state()
    version, internal, following = random.getstate()
    states: dict[str, Any] = {
        "cpu": torch.get_rng_state(),
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position), int(has_gauss), float(gauss)],
        "python": [version, torch.tensor(internal), following],
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore(states: dict[str, Any]) -> None:
    """Set the generators to a state that `state` returned."""
    torch.set_rng_state(states["cpu"].cpu())
    keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, internal, following = states["python"]
    random.setstate((version, tuple(internal.tolist()), following))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"].cpu())
