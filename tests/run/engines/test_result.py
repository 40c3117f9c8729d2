"""What a finished stage's exit code, its own result and DVC's words come to."""

from __future__ import annotations

import pytest

from mlspec.plan.stage import Stage, StageResources
from mlspec.run.engines.result import outcome_of, timed_out
from mlspec.stage_result import Reason, StageResult

TRAIN = Stage("train", "Train", "train")
DEPLOY = Stage("deploy", "Deploy", "deploy", effects=True)
RUNNING = "Running stage 'train':\n> mlspec run train\n"
FAILED = "ERROR: failed to reproduce 'train': failed to run: mlspec run train, exited with {}\n"
DONE = StageResult("done")
BAD = StageResult("failed", Reason("failed", "3 rows are bad"), "see data/failed_rows.csv")
STOPPED = StageResult("interrupted", Reason("stopped", "all traffic is on version 4"))


@pytest.mark.parametrize(
    ("code", "result", "text", "status", "kind", "reason", "help"),
    [
        (0, DONE, RUNNING, "ran", "", "", ""),
        (0, None, "Stage 'train' didn't change, skipping\n", "cached", "unaffected", "none of its inputs changed", ""),
        (
            0, None, "Stage 'train' is cached - skipping run, checking out outputs\n", "cached", "restored",
            "an earlier run had the same inputs; its outputs were taken from DVC's cache", "",
        ),
        (255, BAD, RUNNING + FAILED.format(4), "failed", "failed", "3 rows are bad", "see data/failed_rows.csv"),
        (255, None, RUNNING + FAILED.format(137), "failed", "killed", FAILED.format(137)[7:-1], ""),
        # The stage itself ended well; DVC then missed an output.
        (255, DONE, RUNNING + "ERROR: output x is not there\n", "failed", "killed", "output x is not there", ""),
        (255, STOPPED, FAILED.format(130), "interrupted", "stopped", "all traffic is on version 4", "mlspec apply"),
        (
            255, None, "ERROR: failed to reproduce 'train': missing data 'source': data/rows.csv\n", "failed",
            "missing-input", "input not found: data/rows.csv",
            "run `mlspec apply`, which creates the outputs of earlier stages, or `dvc pull`",
        ),
        (
            255, None, "ERROR: Unable to acquire lock. Most likely another DVC process is running\n", "failed", "locked",
            "another DVC command is running in this project", "wait until it has finished, then: mlspec apply",
        ),
        (-9, None, "", "failed", "killed", "the process ended with exit code -9", ""),
    ],
)  # fmt: skip
def test_a_finished_stage_becomes_an_outcome(
    code: int, result: StageResult | None, text: str, status: str, kind: str, reason: str, help: str
) -> None:
    actual = outcome_of(TRAIN, code, result, text, 1.5, ".mlspec/logs/train.log")
    assert (actual.status, actual.reason.kind, actual.reason.text, actual.help) == (status, kind, reason, help)
    assert (actual.seconds, actual.log) == (1.5, ".mlspec/logs/train.log")


def test_a_missing_file_is_named_with_how_to_fix_it() -> None:
    text = "ERROR: failed to reproduce 'data': [Errno 2] No such file or directory: '/p/data/pinguins.csv'\n"
    result = outcome_of(TRAIN, 255, None, text, 0.1, "log")
    assert result.reason == Reason("missing-input", "input not found: /p/data/pinguins.csv")
    assert "correct its path in the spec" in result.help


def test_warnings_and_decisions_come_from_the_result_and_not_from_the_log() -> None:
    result = StageResult("done", warnings=("no emulator",), decisions=("label: 1 is yes",))
    actual = outcome_of(TRAIN, 0, result, RUNNING + "warning: of a library\ndecision: of a library\n", 1.0, "log")
    assert (actual.warnings, actual.decisions) == (("no emulator",), ("label: 1 is yes",))
    assert outcome_of(TRAIN, 0, None, "warning: x\n", 1.0, "log").warnings == ()


def test_a_stage_with_effects_ran_whatever_its_log_says() -> None:
    assert outcome_of(DEPLOY, 0, None, "", 1.0, "log").status == "ran"


def test_a_stage_that_was_stopped_at_its_limit_names_the_keys_of_the_limit() -> None:
    limited = Stage("train", "Train", "train", resources=StageResources(timeout=90, timeout_help="raise `run.timeout`"))
    outcome = timed_out(limited, 90.4, "log")
    assert (outcome.status, outcome.reason.kind, outcome.help) == ("failed", "timed-out", "raise `run.timeout`")
    assert outcome.reason.text == "stopped after its time limit of 90 seconds"
