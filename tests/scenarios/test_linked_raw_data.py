"""Raw data behind links: DVC adds no files of a linked folder, and the stage reads them all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.dvc.raw_data import keep
from mlspec.errors import StageError


@pytest.mark.parametrize("path", ["data/pets", "data/pets/cat.csv"])
def test_data_behind_a_link_is_not_added(tmp_path: Path, path: str) -> None:  # treeverse/dvc#764
    root, disk = tmp_path / "project", tmp_path / "disk"
    (root / "data").mkdir(parents=True)
    disk.mkdir()
    (disk / "cat.csv").write_text("a")
    (root / "data/pets").symlink_to(disk)
    keep([path], root)
    assert not list(root.rglob("*.dvc"))
    (disk / "cat.csv").unlink()
    disk.rmdir()
    with pytest.raises(StageError, match=f"{path} is missing"):
        keep([path], root)
