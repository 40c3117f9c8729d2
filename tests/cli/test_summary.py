"""The last words of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from mlspec.cli.console import Console
from mlspec.cli.progress import Progress
from mlspec.cli.summary import close
from mlspec.plan.stage import Stage
from mlspec.run.outcome import Outcome
from mlspec.run.schedule import Schedule, Step
from mlspec.workspace.roots import Roots


class Seen:
    """As much of an Outlook as the summary reads."""

    def __init__(self, root: Path) -> None:
        self.roots = Roots(root, root)


def test_what_was_not_proved_is_said_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [Outcome("package", "ran", seconds=1.0), Outcome("image", "ran", seconds=2.0, warnings=("not proved",))]
    assert close(Console(), cast("Any", Seen(tmp_path)), outcomes, tmp_path / "report.html") == 0
    assert capsys.readouterr().err.splitlines() == ["warning: image: not proved", "2 ran (3.0 s)"]


def test_the_numbers_of_stages_stand_below_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [Step(Stage(f"s{n}", "", "part"), "never ran", certain=True) for n in range(10)]
    progress = Progress(Console(), Schedule(tuple(steps)), {})
    for name in ("s0", "s9"):
        progress.ended(Outcome(name, "ran", seconds=1.0))
    assert capsys.readouterr().err.splitlines() == ["[ 1/10] s0 ran in 1.0 s", "[10/10] s9 ran in 1.0 s"]
