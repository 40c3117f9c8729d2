"""A project in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from mlspec.workspace.roots import Roots

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def roots(project: Path) -> Roots:
    return Roots(project, project)
