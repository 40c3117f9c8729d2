"""Compiled templates are kept by the commands alone: rendering writes nothing and reads no variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.cli.app import main
from mlspec.compiler import compile_project
from mlspec.workspace.template_cache import template_cache
from tests.conftest import CHECKOUT

MINIMAL = CHECKOUT / "specs" / "minimal" / "mlproject.yaml"


def test_rendering_writes_nothing_and_a_build_keeps_its_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    (tmp_path / "mlproject.yaml").write_bytes(MINIMAL.read_bytes())
    files = compile_project(tmp_path / "mlproject.yaml").files
    assert not cache.exists()
    assert main(["build", "--check", "--spec", str(tmp_path / "mlproject.yaml")]) == 1
    assert list(cache.rglob("*.cache")), "the next build would compile its templates again"
    assert compile_project(tmp_path / "mlproject.yaml", compiled=template_cache()).files == files


def test_a_folder_that_cannot_be_created_is_not_a_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert template_cache({"XDG_CACHE_HOME": str(tmp_path / "file")}) is None
