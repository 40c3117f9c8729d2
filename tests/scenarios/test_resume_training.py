"""A training stopped at any step resumes there, with the result of one that was not stopped."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from mlspec.learning.callbacks import CheckpointWriter, interruptible
from tests.parts import projects
from tests.parts.projects import Applied
from tests.parts.train.stage import Receiver, run
from tests.parts.train.test_work import curves, metrics, same, weights

BATCHES = 9
"""The text project has 144 rows for training, in batches of 16."""


def two_projects(root: Path, more: str) -> tuple[Applied, Applied]:
    """Two equal projects."""
    one = projects.text(root / "whole")
    one.spec("dropout: 0", "dropout: 0.2")
    one.spec("max_epochs: 8", f"max_epochs: 3, schedule: {{type: cosine, warmup: 0.1}}, {more}")
    one.run("data")
    other = Applied(root / "ended")
    shutil.copytree(one.root, other.root)
    return one, other


def saved(project: Applied) -> list[Path]:
    return list((project.root / ".mlspec" / "scratch").glob("train-*/resume.ckpt"))


def equal(one: Applied, other: Applied) -> None:
    assert same(weights(one), weights(other))
    assert same(weights(one, "last"), weights(other, "last"))
    assert metrics(one) == metrics(other)
    assert curves(one) == curves(other)


CASES = {
    "mid-epoch": ("checkpoint: {every_steps: 1}", BATCHES + 4),
    "several steps after the last save": ("checkpoint: {every_steps: 4}", BATCHES + 6),
    "in the last batch of an epoch": ("checkpoint: {every_steps: 1}", 2 * BATCHES - 1),
    "in the first batch of an epoch": ("checkpoint: {every_steps: 1}", 2 * BATCHES),
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
    whole, killed = two_projects(tmp_path, more)
    assert run(whole).code == 0
    assert run(killed, step).code == -signal.SIGKILL
    assert saved(killed)
    again = run(killed)
    assert again.code == 0, again.output
    assert "resuming the interrupted run" in again.output
    equal(whole, killed)
    assert not saved(killed)


@pytest.mark.slow
@pytest.mark.usefixtures("warm_processes")
def test_a_killed_run_of_two_processes_ends_with_the_same_weights(tmp_path: Path) -> None:
    """Each process draws other random numbers, since their rows differ in length."""
    whole, killed = two_projects(tmp_path, "devices: 2, accelerator: cpu, checkpoint: {every_steps: 2}")
    ended = run(whole, devices=2)
    assert ended.code == 0, ended.output
    ended = run(killed, BATCHES + 4, devices=2)
    assert ended.code == 4
    assert "training process 1 was killed or crashed" in ended.output
    (state,) = saved(killed)
    first, second = (each["cpu"] for each in torch.load(state, weights_only=True)["random"])
    assert not torch.equal(first, second)
    again = run(killed, devices=2)
    assert again.code == 0, again.output
    assert "resuming the interrupted run" in again.output
    equal(whole, killed)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_saves_first(number: signal.Signals, tmp_path: Path) -> None:
    whole, stopped = two_projects(tmp_path, "checkpoint: {every: 1h}")
    assert run(whole).code == 0
    ended = run(stopped, BATCHES + 4, number)
    assert ended.code == 130
    assert "Traceback" not in ended.output
    assert saved(stopped)
    assert run(stopped).code == 0
    equal(whole, stopped)


@pytest.mark.slow
@pytest.mark.usefixtures("warm_processes")
@pytest.mark.parametrize(
    ("number", "to"), [(signal.SIGTERM, "process"), (signal.SIGTERM, "parent"), (signal.SIGINT, "group")]
)
def test_a_signal_stops_both_of_two_processes_after_saving(
    number: signal.Signals, to: Receiver, tmp_path: Path
) -> None:
    """Of one process, of the one that started both (a runner's), and of all (the terminal's)."""
    whole, stopped = two_projects(tmp_path, "devices: 2, accelerator: cpu, checkpoint: {every: 1h}, max_time: 1h")
    assert run(whole, devices=2).code == 0
    ended = run(stopped, BATCHES + 4, number, devices=2, to=to)
    assert ended.code == 130, ended.output
    assert "Traceback" not in ended.output
    assert saved(stopped)
    again = run(stopped, devices=2)
    assert again.code == 0, again.output
    assert "resuming the interrupted run" in again.output
    equal(whole, stopped)


@pytest.mark.slow
def test_a_changed_setting_starts_from_scratch(tmp_path: Path) -> None:
    project, _ = two_projects(tmp_path, "checkpoint: {every_steps: 1}")
    assert run(project, BATCHES + 4).code == -signal.SIGKILL
    project.spec("max_epochs: 3", "max_epochs: 2")
    again = run(project)
    assert again.code == 0
    assert "resuming the interrupted run" not in again.output


def test_a_worker_process_leaves_the_saving_to_its_parent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    keep = CheckpointWriter(tmp_path / "resume.ckpt", {}, 60, None)
    with interruptible(keep):
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGINT)
            os._exit(7 if keep.stop_requested else 0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert capfd.readouterr().out == ""
        os.kill(os.getpid(), signal.SIGINT)
        assert keep.stop_requested
    assert "saving a checkpoint" in capfd.readouterr().out
