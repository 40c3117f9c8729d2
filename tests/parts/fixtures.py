"""Trained projects, one of each kind, trained once for all tests that read them; tests that write take a copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from multiprocessing import spawn
from pathlib import Path

import pytest

from tests.parts import projects
from tests.parts.projects import Applied
from tests.sharing import once, shared_folder
from tests.warm_python import WarmPython

_KINDS = {
    "text": projects.text,
    "numbers": projects.numbers,
    "images": projects.images,
    "custom": projects.custom,
    "raw": projects.raw,
    "own": projects.own,
}


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    def get(kind: str) -> Path:
        return once(
            shared_folder(tmp_path_factory, f"trained-{kind}"), lambda root: _KINDS[kind](root).run("data", "train")
        )

    return get


@pytest.fixture
def trained(_trained: Callable[[str], Path], tmp_path: Path) -> Callable[..., Applied]:
    """A copy of the trained project of a kind, with more sections in its spec."""

    def copy(kind: str, more: str = "") -> Applied:
        root = tmp_path / kind
        shutil.copytree(_trained(kind), root)
        spec = root / "mlproject.yaml"
        spec.write_text(spec.read_text(encoding="utf-8") + more, encoding="utf-8")
        return Applied(root)

    return copy


@pytest.fixture
def warm_processes(warm: WarmPython) -> Iterator[None]:
    """The processes of a training on several devices have the heavy imports done."""
    before = spawn.get_executable()
    spawn.set_executable(warm.python)
    yield
    spawn.set_executable(before)
