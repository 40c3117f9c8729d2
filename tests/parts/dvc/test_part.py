"""What git is kept from seeing in a project."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mlspec.job import fresh, swap, whole
from tests.parts.targets import PACKAGE, write


def unseen(folder: Path) -> list[str]:
    """Untracked files that git would add."""
    done = subprocess.run(["git", "status", "--porcelain", "-uall"], cwd=folder, capture_output=True, text=True)
    return [line[3:] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["data", "model", "bundle", "image"])
def test_what_a_kill_leaves_is_not_committed(name: str, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    write(tmp_path, PACKAGE)
    before = unseen(tmp_path)
    folder = tmp_path / "artifacts" / name
    (fresh(folder) / "torn").write_text("x")
    with whole(tmp_path / "artifacts" / "metrics" / "evaluate.json") as partial:
        partial.write_text("torn")
        with whole(tmp_path / "reads.lock") as other:
            other.write_text("torn")
            assert unseen(tmp_path) == before
            other.write_text("whole")
    assert "artifacts/metrics/evaluate.json" in unseen(tmp_path)


def test_the_old_folder_of_a_swap_is_not_committed(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    write(tmp_path, PACKAGE)
    before = unseen(tmp_path)
    folder = tmp_path / "artifacts" / "model"
    (fresh(folder) / "best.ckpt").write_text("x")
    swap(fresh(folder), folder)
    (tmp_path / "artifacts" / ".model.old").mkdir()
    (tmp_path / "artifacts" / ".model.old" / "best.ckpt").write_text("x")
    assert unseen(tmp_path) == before
