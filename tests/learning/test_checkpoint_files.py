"""Checkpoints of mlspec load without unpickling objects, whatever the user's module adds to them."""

from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from mlspec.errors import StageError
from mlspec.learning.callbacks import saved_position
from mlspec.learning.checkpoint_files import SafeCheckpoints, load_tensors, objects_in, resumable

PLAIN: dict[str, Any] = {
    "state_dict": {"w": torch.ones(3)},
    "mlspec": {"model": {}},
    "epoch": 1,
    "global_step": 8,
    "position": (1, 4),
    "callbacks": {"best": {"path": "x"}},
}
ARGUMENTS = {"hyper_parameters": {"rate": Fraction(1, 2)}}
OWN = {"own": Fraction(1, 3)}


@pytest.mark.parametrize(
    ("name", "more", "kept"),
    [
        ("resume.ckpt", {}, {*PLAIN}),
        ("resume.ckpt", ARGUMENTS, {*PLAIN}),
        ("resume.ckpt", ARGUMENTS | OWN, {*PLAIN, "own"}),
        ("best.ckpt", ARGUMENTS | OWN, {"state_dict", "mlspec", "epoch", "global_step"}),
        ("best.ckpt", {"hyper_parameters": {"rate": 0.5}}, {*PLAIN, "hyper_parameters"}),
    ],
)
def test_objects_are_left_out(tmp_path: Path, name: str, more: dict[str, Any], kept: set[str]) -> None:
    path = tmp_path / name
    SafeCheckpoints().save_checkpoint(PLAIN | more, path)
    assert torch.load(path, weights_only=False).keys() == kept
    if "own" not in kept:
        assert load_tensors(path).keys() == kept
        resumable(path, trust=False)


def test_the_last_checkpoint_is_complete(tmp_path: Path) -> None:
    SafeCheckpoints().save_checkpoint(PLAIN | ARGUMENTS | OWN, tmp_path / "last.ckpt")
    assert torch.load(tmp_path / "last.ckpt", weights_only=False)["own"] == Fraction(1, 3)


def test_objects_are_only_loaded_for_a_trusted_model(tmp_path: Path) -> None:
    path = tmp_path / "resume.ckpt"
    SafeCheckpoints().save_checkpoint(PLAIN | OWN, path)
    assert objects_in(path) == ["fractions.Fraction"]
    with pytest.raises(StageError, match=r"contains objects \(fractions\.Fraction\)") as error:
        resumable(path, trust=False)
    assert "trust: true" in error.value.help
    with pytest.raises(pickle.UnpicklingError):
        saved_position(path)
    resumable(path, trust=True)
    assert saved_position(path, trust=True) == (1, 4)
