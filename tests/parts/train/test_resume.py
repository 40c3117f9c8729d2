"""A run that is ended at any step goes on there, and ends as if nothing had been."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.parts import projects
from tests.parts.projects import Applied
from tests.parts.train.test_work import curves, metrics, same, weights

EPOCHS, BATCHES = 3, 9
"""The text project has 144 rows for training, in batches of 16."""


def run(project: Applied, step: int = -1, number: str = "SIGKILL") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.parts.train.stage", str(project.root), str(step), number]
    path = os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(command, cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)


def made(root: Path, more: str) -> Applied:
    project = projects.text(root)
    project.spec("dropout: 0", "dropout: 0.2")
    settings = f"max_epochs: {EPOCHS}, schedule: {{type: cosine, warmup: 0.1}}, {more}"
    project.spec("max_epochs: 8", settings)
    project.run("data")
    return project


def scratch(project: Applied) -> list[Path]:
    return list((project.root / ".mlspec" / "scratch").glob("train-*/resume.ckpt"))


def equal(one: Applied, other: Applied) -> None:
    assert same(weights(one), weights(other))
    assert same(weights(one, "last"), weights(other, "last"))
    assert metrics(one) == metrics(other)
    shown = [{k: float(v) for k, v in row.items()} for row in curves(one)]
    assert shown == [pytest.approx({k: float(v) for k, v in row.items()}, rel=1e-5) for row in curves(other)]


CASES = {
    "mid-epoch": ("checkpoint: {every_steps: 1}", BATCHES + 4),
    "several steps after the last save": ("checkpoint: {every_steps: 4}", BATCHES + 7),
    "after the last batch of an epoch": ("checkpoint: {every_steps: 1}", 2 * BATCHES),
    "in the last batch of an epoch": ("checkpoint: {every_steps: 1}", 2 * BATCHES - 1),
    "saved at the end of an epoch": (f"checkpoint: {{every_steps: {BATCHES}}}", BATCHES + 3),
    "with gradients added up": ("accumulate: 2, checkpoint: {every_steps: 1}", 7),
    "with worker processes": ("workers: 1, checkpoint: {every_steps: 2}", BATCHES + 5),
    "with early stopping": (
        "early_stopping: {monitor: valid/loss, patience: 1, min_delta: 0.4}, checkpoint: {every_steps: 2}",
        BATCHES + 5,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("more", "step"), CASES.values(), ids=CASES)
def test_a_killed_run_ends_with_the_same_weights(more: str, step: int, tmp_path: Path) -> None:
    whole = made(tmp_path / "whole", more)
    killed = Applied(tmp_path / "killed")
    shutil.copytree(whole.root, killed.root)
    assert run(whole).returncode == 0
    assert run(killed, step).returncode == -signal.SIGKILL
    assert scratch(killed)
    again = run(killed)
    assert again.returncode == 0, again.stderr
    assert "going on where the interrupted run stopped" in again.stdout
    equal(whole, killed)
    assert not scratch(killed)


@pytest.mark.slow
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_an_interrupted_run_saves_first(number: str, tmp_path: Path) -> None:
    whole = made(tmp_path / "whole", "checkpoint: {every: 1h}")
    stopped = Applied(tmp_path / "stopped")
    shutil.copytree(whole.root, stopped.root)
    assert run(whole).returncode == 0
    ended = run(stopped, BATCHES + 4, number)
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert scratch(stopped)
    assert run(stopped).returncode == 0
    equal(whole, stopped)


@pytest.mark.slow
def test_a_changed_setting_starts_anew(tmp_path: Path) -> None:
    project = made(tmp_path, "checkpoint: {every_steps: 1}")
    assert run(project, BATCHES + 4).returncode == -signal.SIGKILL
    project.spec("seed: 1" if "seed: 1" in (tmp_path / "mlproject.yaml").read_text() else "max_epochs: 3", "max_epochs: 2")
    again = run(project)
    assert again.returncode == 0
    assert "going on" not in again.stdout
