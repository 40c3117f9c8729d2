"""Whole output trees: `projects/NAME/mlproject.yaml` with `projects/NAME/expected/`. `--update` rewrites them, to be read.

Each builds alone in a folder, with the user's modules of that spec beside it. `full` is `specs/full`, which uses every
section; the others are small ones of their own.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from tests.conftest import CHECKOUT

PROJECTS = Path(__file__).parent / "projects"
FULL = CHECKOUT / "specs" / "full" / "mlproject.yaml"
NAMES = sorted(path.name for path in PROJECTS.iterdir() if (path / "mlproject.yaml").is_file())


def tree(name: str, folder: Path) -> dict[str, str]:
    """Every file that the spec comes to, by its path; a block as its inside."""
    for file in (PROJECTS / name).iterdir():
        if file.name != "expected":
            (shutil.copytree if file.is_dir() else shutil.copy)(file, folder / file.name)
    return {file.path: file.text for file in compile_project(folder / "mlproject.yaml").files}


def test_the_full_project_has_the_spec_that_uses_every_section(update: bool) -> None:
    if update:
        shutil.copy(FULL, PROJECTS / "full")
    assert (PROJECTS / "full" / "mlproject.yaml").read_bytes() == FULL.read_bytes(), "run with --update"


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_tree_is_as_it_was_accepted(name: str, update: bool, tmp_path: Path) -> None:
    expected, generated = PROJECTS / name / "expected", tree(name, tmp_path)
    if update:
        shutil.rmtree(expected, ignore_errors=True)
        for path, text in generated.items():
            (expected / path).parent.mkdir(parents=True, exist_ok=True)
            (expected / path).write_text(text, encoding="utf-8")
    kept = {f.relative_to(expected).as_posix(): f for f in sorted(expected.rglob("*")) if f.is_file()}
    assert generated.keys() == kept.keys()
    for path, text in generated.items():
        assert kept[path].read_text(encoding="utf-8") == text, path
