"""What a finished stage's log says."""

from __future__ import annotations

import pytest

from mlspec.plan.stage import Stage
from mlspec.run.engines.verdict import judge

TRAIN = Stage("train", "Train", "train")
RUNNING = "Running stage 'train':\n> mlspec run train\n"
FAILED = "ERROR: failed to reproduce 'train': failed to run: mlspec run train, exited with {}\n"


@pytest.mark.parametrize(
    ("code", "text", "status", "reason", "help"),
    [
        (0, RUNNING, "ran", "", ""),
        (0, "Stage 'train' didn't change, skipping\n", "cached", "nothing it depends on changed", ""),
        (
            0,
            "Stage 'train' is cached - skipping run, checking out outputs\n",
            "cached",
            "an earlier run had the same inputs; its outputs were taken from DVC's cache",
            "",
        ),
        (
            255,
            RUNNING + "error: 3 rows are bad\n  = help: see data/failed_rows.csv\n" + FAILED.format(4),
            "failed",
            "3 rows are bad",
            "see data/failed_rows.csv",
        ),
        (
            255,
            RUNNING + "conf/train/default.yaml: error[out-of-range]: too small\n   = help: 1\n" + FAILED.format(1),
            "failed",
            "too small",
            "1",
        ),
        (255, RUNNING + FAILED.format(137), "failed", FAILED.format(137)[7:-1], ""),
        (255, RUNNING + "interrupted\n" + FAILED.format(130), "interrupted", "it was stopped", "mlspec apply"),
        (
            255,
            "ERROR: failed to reproduce 'train': missing data 'source': data/rows.csv\n",
            "failed",
            "missing input: data/rows.csv",
            "mlspec apply, which makes what can be made; or `dvc pull`",
        ),
        (
            255,
            "ERROR: Unable to acquire lock. Most likely another DVC process is running\n",
            "failed",
            "another DVC command is at work in this project",
            "wait until it has ended, then: mlspec apply",
        ),
        (-9, "", "failed", "it ended with exit code -9", ""),
    ],
)
def test_a_log_comes_to_an_outcome(code: int, text: str, status: str, reason: str, help: str) -> None:
    found = judge(TRAIN, code, text, 1.5, ".mlspec/logs/train.log")
    assert (found.status, found.reason, found.help) == (status, reason, help)
    assert (found.seconds, found.log) == (1.5, ".mlspec/logs/train.log")


def test_a_file_that_is_missing_is_named_with_the_way_on() -> None:
    text = "ERROR: failed to reproduce 'data': [Errno 2] No such file or directory: '/p/data/pinguins.csv'\n"
    found = judge(TRAIN, 255, text, 0.1, "log")
    assert found.reason == "there is no /p/data/pinguins.csv"
    assert "correct the path in the spec" in found.help


def test_what_a_stage_has_to_say_although_it_went_well() -> None:
    said = "warning: not proved: no emulator\nwarning: not proved: no emulator\nuser.py:1: UserWarning: no\n"
    assert judge(TRAIN, 0, RUNNING + said, 1.0, "log").warnings == ("not proved: no emulator",)
    assert judge(TRAIN, 0, "Stage 'train' didn't change, skipping\n" + said, 1.0, "log").warnings == ()
