from __future__ import annotations

from pathlib import Path

import pytest

from tests.records.repositories import repository


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a commit, a bundle and metrics."""
    return repository(tmp_path)
