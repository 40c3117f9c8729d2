"""The state of the random generators, through a checkpoint that loads without unpickling objects."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mlspec.learning.random_state import restore, state  # noqa: E402


def drawn() -> tuple[list[float], ...]:
    # A normal number of NumPy's leaves a second one for the next call.
    return torch.rand(3).tolist(), [np.random.standard_normal()], [np.random.rand()], [random.gauss(0, 1)]


def test_all_generators_continue_where_they_were(tmp_path: Path) -> None:
    drawn()
    torch.save(state(), tmp_path / "state")
    first, second = drawn(), drawn()
    restore(torch.load(tmp_path / "state", weights_only=True))
    assert (drawn(), drawn()) == (first, second)
    assert first != second
