"""Raw data under DVC."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mlspec.dvc.raw_data import keep
from mlspec.errors import StageError
from tests.run.engines.lines import Toys, toys
from tests.warm_python import WarmPython


@pytest.fixture
def project(tmp_path: Path) -> Toys:
    return toys(tmp_path)


def test_new_data_is_added_and_changed_data_again(project: Toys) -> None:
    keep(["raw"], project.root)
    pointer = project.root / "raw.dvc"
    first = pointer.read_text()
    assert "/raw" in (project.root / ".gitignore").read_text()
    keep(["raw"], project.root)
    assert pointer.read_text() == first
    (project.root / "raw" / "a.txt").write_text("more")
    keep(["raw"], project.root)
    assert pointer.read_text() != first


def test_files_tracked_by_git_remain_in_git(project: Toys) -> None:
    project.git("add", "raw")
    keep(["raw"], project.root)
    assert not (project.root / "raw.dvc").exists()


def test_data_in_a_folder_that_dvc_keeps_is_left_to_it(project: Toys) -> None:
    keep(["raw"], project.root)
    keep(["raw/a.txt"], project.root)
    assert not (project.root / "raw" / "a.txt.dvc").exists()


def test_missing_data_is_restored_from_the_cache(project: Toys) -> None:
    keep(["raw"], project.root)
    shutil.rmtree(project.root / "raw")
    keep(["raw"], project.root)
    assert (project.root / "raw" / "a.txt").read_text() == "a"


def test_missing_data_without_a_copy_is_reported(project: Toys, warm: WarmPython) -> None:
    with pytest.raises(StageError, match=r"other\.csv is missing"):
        keep(["other.csv"], project.root)
    keep(["raw"], project.root)
    shutil.rmtree(project.root / "raw")
    shutil.rmtree(project.root / ".dvc" / "cache")
    with pytest.raises(StageError, match="no DVC remote is set") as error:
        keep(["raw"], project.root)
    assert error.value.help.startswith("copy the data to raw, or set `data.remote`")
    (project.root / "remote").mkdir()
    subprocess.run([warm.python, "-m", "dvc", "remote", "add", "-d", "own", "remote"], cwd=project.root, check=True)
    with pytest.raises(StageError, match="neither DVC's cache nor its remote") as error:
        keep(["raw"], project.root)
    assert error.value.help.startswith("dvc pull raw.dvc")


def test_without_git(tmp_path: Path) -> None:
    toy_project = Toys(tmp_path)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.txt").write_text("a")
    toy_project.write({}, git=False)
    keep(["raw"], tmp_path)
    assert (tmp_path / "raw.dvc").is_file()
