"""How a run ended, as an exit code and in the headline of the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.apply.execute import RunResult
from mlspec.apply.summary import exit_code
from mlspec.report.headline import verdict
from mlspec.run.outcome import Outcome
from mlspec.stage_result import Reason

RAN = Outcome("data", "ran")
FAILED = Outcome("train", "failed", Reason("input-changed", "no"))
STOPPED = Outcome("train", "interrupted", Reason("stopped", "it was stopped"), "mlspec apply")
NEVER_STARTED = Outcome("gate", "skipped", Reason("interrupted-before", "the run was interrupted"), "mlspec apply")
LACKING = Outcome("gate", "skipped", Reason("lacks", "it needs docker"), "install docker")


@pytest.mark.parametrize(
    ("outcomes", "code", "title"),
    [
        ((RAN,), 0, "Finished"),
        ((RAN, LACKING), 0, "Finished, with skipped stages"),
        ((LACKING,), 4, "Finished, with skipped stages"),
        ((RAN, FAILED), 4, "Stage train failed"),
        ((RAN, STOPPED, NEVER_STARTED), 130, "Interrupted in stage train"),
        ((RAN, NEVER_STARTED), 130, "Interrupted before stage gate"),
        ((NEVER_STARTED,), 130, "Interrupted before stage gate"),
    ],
)
def test_the_end_of_a_run(outcomes: tuple[Outcome, ...], code: int, title: str) -> None:
    assert exit_code(RunResult(outcomes, Path("report.html"))) == code
    assert exit_code(RunResult(outcomes, None)) == 0, "a dry run"
    headline = verdict(outcomes, None)
    assert headline.title == title
