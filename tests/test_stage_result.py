"""What a stage's process leaves behind for the engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec import stage_result
from mlspec.diagnostics import Diagnostic
from mlspec.errors import SpecError, StageError
from mlspec.stage_result import FOLDER, Messages, Reason, RolledBack, StageResult, read, reported


def test_a_stage_that_ends_well_leaves_its_warnings_and_decisions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with reported(tmp_path, "train"):
        stage_result.started()
        stage_result.warn("loss is nan", "lower train.learning_rate")
        stage_result.warn("loss is nan")
        stage_result.decide("checkpoint: largest valid/accuracy")
        stage_result.rolled_back("8", "7")
    assert read(tmp_path, "train") == StageResult(
        "done",
        warnings=("loss is nan",),
        decisions=("checkpoint: largest valid/accuracy",),
        rolled_back=RolledBack("8", "7"),
    )
    assert capsys.readouterr().out.splitlines() == [
        "warning: loss is nan", "  help: lower train.learning_rate",
        "decision: checkpoint: largest valid/accuracy",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            StageError("src/model.py:3: ValueError:\n  more", help="first\nsecond"),
            StageResult("failed", Reason("failed", "src/model.py:3: ValueError"), "first"),
        ),
        (
            SpecError(
                [Diagnostic("w", "a doubt", "conf", severity="warning"), Diagnostic("e", "too small", "conf", help="1")]
            ),
            StageResult("failed", Reason("failed", "too small"), "1"),
        ),
        (KeyboardInterrupt(), StageResult("interrupted", Reason("stopped", "it was stopped"))),
        (
            PermissionError(13, "Permission denied", "artifacts/data"),
            StageResult(
                "failed",
                Reason("failed", "artifacts/data: Permission denied"),
                "free disk space or fix the permissions, then run the command again",
            ),
        ),
        (ValueError("x"), StageResult("failed", Reason("crashed", "this is a bug in mlspec: ValueError: x"))),
    ],
)
def test_a_stage_that_fails_leaves_its_reason(error: BaseException, expected: StageResult, tmp_path: Path) -> None:
    with pytest.raises(type(error)), reported(tmp_path, "train"):
        raise error
    assert read(tmp_path, "train") == expected


def test_an_interrupted_stage_leaves_the_state_of_the_world_outside(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), reported(tmp_path, "deploy"):
        stage_result.stopped_with("all traffic is on version 7")
        raise KeyboardInterrupt
    record = read(tmp_path, "deploy")
    assert record is not None
    assert record.reason == Reason("stopped", "all traffic is on version 7")


def test_what_one_stage_reports_is_not_the_next_ones(tmp_path: Path) -> None:
    with reported(tmp_path, "data"):
        stage_result.warn("of data")
    with reported(tmp_path, "train"):
        stage_result.started()
        stage_result.add(Messages(warnings=["of another process"]))
    record = read(tmp_path, "train")
    assert record is not None
    assert record.warnings == ("of another process",)


def test_a_process_that_did_not_call_the_body_leaves_nothing(tmp_path: Path) -> None:
    with reported(tmp_path, "train"):
        pass
    assert read(tmp_path, "train") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"status": "done"}', '{"status": "x", "reason": {}}'])
def test_a_damaged_result_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "train.json").write_text(text)
    assert read(tmp_path, "train") is None
    stage_result.forget(tmp_path, "train")
    stage_result.forget(tmp_path, "train")
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_reason_of_another_version_keeps_its_text() -> None:
    assert stage_result.reason_of({"kind": "of-tomorrow", "text": "x"}) == Reason("", "x")
    assert stage_result.reason_of(json.loads('"x"')) == Reason("", "x")
