"""Pickles are recognised by ending and by content; other formats are not."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mlspec.source.pickle_files import is_pickle, pickles_at


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("files")
    tensors = {"weight": torch.ones(2)}
    torch.save(tensors, place / "pytorch_model.bin")
    torch.save(tensors, place / "weights.pt")
    torch.save(tensors, place / "old.bin", _use_new_zipfile_serialization=False)
    for protocol in range(6):
        (place / f"{protocol}.PKL").write_bytes(pickle.dumps([1], protocol))
    (place / "renamed.bin").write_bytes(pickle.dumps({"a": 1}, 4))
    save_file(tensors, place / "model.safetensors")
    np.savez(place / "arrays.npz", a=np.ones(2))
    (place / "values.json").write_text(json.dumps([1]), encoding="utf-8")
    (place / "raw.bin").write_bytes(bytes(range(64)))
    (place / "empty.bin").touch()
    return place


def test_pickles_of_a_folder(folder: Path) -> None:
    expected = [
        "0.PKL",
        "1.PKL",
        "2.PKL",
        "3.PKL",
        "4.PKL",
        "5.PKL",
        "old.bin",
        "pytorch_model.bin",
        "renamed.bin",
        "weights.pt",
    ]
    assert pickles_at(folder.parent, folder.name) == tuple(f"{folder.name}/{name}" for name in expected)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "arrays.npz", "values.json", "raw.bin", "empty.bin", "absent.bin"]
)
def test_other_formats(folder: Path, name: str) -> None:
    assert not is_pickle(folder / name)
    assert pickles_at(folder, name) == ()


@pytest.mark.parametrize("path", ["", "no/such", "a" * 5000, "weights.pt/inside"])
def test_what_names_no_file(folder: Path, path: str) -> None:
    assert pickles_at(folder / "values.json", path) == ()
