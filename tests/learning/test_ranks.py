"""Processes of a training: which failure is reported."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.learning.ranks import first, together

pytestmark = pytest.mark.slow


def second_is_killed(job: Job) -> float | None:
    """The first fails for lack of the second, which ends when the first has reported its failure."""
    file = job.root / "first"
    if first():
        file.write_text(str(os.getpid()))
        raise RuntimeError("connection closed by peer")
    while not (file.exists() and file.read_text()):
        time.sleep(0.01)
    pid = int(file.read_text())
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    os._exit(9)


def first_fails(job: Job) -> float | None:
    assert job.root.is_dir()
    if first():
        raise RuntimeError("a bug")
    return 1.0


def test_a_killed_process_is_reported_and_not_the_failure_that_it_causes(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="training process 1 was killed or crashed"):
        together(second_is_killed, Job(tmp_path, tmp_path, tmp_path, {}, {}), 2)


def test_a_failure_of_one_process_is_reported_as_its_own(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="training process 0 failed: RuntimeError: a bug"):
        together(first_fails, Job(tmp_path, tmp_path, tmp_path, {}, {}), 2)
