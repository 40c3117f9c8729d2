"""A bundle contains data formats only."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from mlspec.errors import StageError
from mlspec.parts.export import bundle_formats

GOOD = {"model.onnx": b"\x08\x07", "signature.json": b"{}", "preprocess/src/prep.py": b"class Prep: ..."}


def bundle(folder: Path, more: dict[str, bytes]) -> Path:
    for name, content in (GOOD | more).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_graph_json_and_the_preprocessing_class(tmp_path: Path) -> None:
    bundle_formats.check(bundle(tmp_path, {}))
    assert {file.suffix for file in tmp_path.rglob("*.*")} == {".json", ".onnx", ".py"}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("preprocess/vocabulary.pkl", b"I1\n."),
        ("preprocess/state.json", pickle.dumps({"a": 1})),
        ("model.onnx", pickle.dumps([1], 2)),
        ("preprocess/src/fast.so", b"\x7fELF"),
        ("run.py", b"import os"),
        ("model.pt2", b"PK\x03\x04"),
    ],
)
def test_other_formats_are_refused(tmp_path: Path, path: str, content: bytes) -> None:
    with pytest.raises(StageError, match=f"the bundle would contain {path};"):
        bundle_formats.check(bundle(tmp_path, {path: content}))


def test_a_link_is_refused(tmp_path: Path) -> None:
    (bundle(tmp_path, {}) / "labels.json").symlink_to(tmp_path / "signature.json")
    with pytest.raises(StageError, match=r"labels\.json"):
        bundle_formats.check(tmp_path)
