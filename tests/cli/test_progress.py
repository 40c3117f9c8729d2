"""What a run shows while it goes."""

from __future__ import annotations

import pytest

from mlspec.cli.console import Console
from mlspec.cli.progress import Progress
from mlspec.plan.stage import Stage
from mlspec.run.outcome import Outcome
from mlspec.run.schedule import StageSchedule, Step
from mlspec.stage_result import Reason

NEVER = Reason("never-ran", "never ran")


def test_the_numbers_of_stages_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [Step(Stage(f"s{n}", "", "part"), NEVER) for n in range(10)]
    progress = Progress(Console(), StageSchedule(tuple(steps)), {}, {})
    for name in ("s0", "s9"):
        progress.ended(Outcome(name, "ran", seconds=1.0))
    assert capsys.readouterr().err.splitlines() == ["[ 1/10] s0 ran in 1.0 s", "[10/10] s9 ran in 1.0 s"]


def test_a_stage_starts_for_the_reason_that_the_plan_shows(capsys: pytest.CaptureFixture[str]) -> None:
    steps = tuple(Step(Stage(name, "", "part"), NEVER) for name in ("data", "train"))
    progress = Progress(Console(), StageSchedule(steps), {"train": 12.0}, {"train": "interrupted"})
    for step in steps:
        progress.started(step)
    assert capsys.readouterr().err.splitlines() == [
        "[1/2] data  runs: never ran",
        "[2/2] train runs: the last run was interrupted, about 12 s",
    ]
