"""Unfinished trainings that were not resumed for a month are removed, and only these."""

from __future__ import annotations

import os
import time
from pathlib import Path

from mlspec.parts.train.old_trainings import KEPT_SECONDS, remove_old_trainings, started
from tests.parts import projects


def interrupted(scratch: Path, name: str, age: float) -> Path:
    """A folder whose checkpoint was written `age` seconds ago."""
    folder = scratch / name
    (folder / "preprocess").mkdir(parents=True)
    (folder / "resume.ckpt").write_bytes(b"weights")
    for path in (folder / "resume.ckpt", folder / "preprocess", folder):
        os.utime(path, (time.time() - age,) * 2)
    return folder


def test_a_training_of_last_month_is_removed_and_others_stay(tmp_path: Path) -> None:
    old = interrupted(tmp_path, "train-1", KEPT_SECONDS + 3600)
    young = interrupted(tmp_path, "train-2", KEPT_SECONDS - 3600)
    at_work = interrupted(tmp_path, "train-3", KEPT_SECONDS + 3600)
    (at_work / "resume.ckpt").write_bytes(b"later weights")
    other = interrupted(tmp_path, "pixels", KEPT_SECONDS + 3600)
    remove_old_trainings(tmp_path)
    assert not old.exists()
    assert young.is_dir()
    assert at_work.is_dir()
    assert other.is_dir()


def test_a_training_that_is_resumed_after_a_month_stays(tmp_path: Path) -> None:
    resumed = interrupted(tmp_path, "train-1", KEPT_SECONDS + 3600)
    started(resumed)
    remove_old_trainings(tmp_path)
    assert (resumed / "resume.ckpt").is_file()


def test_a_missing_folder_is_accepted(tmp_path: Path) -> None:
    remove_old_trainings(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


def test_a_training_that_ends_removes_old_ones(tmp_path: Path) -> None:
    project = projects.numbers(tmp_path)
    old = interrupted(tmp_path / ".mlspec" / "scratch", "train-0", KEPT_SECONDS + 3600)
    project.run("data", "train")
    assert not old.exists()
