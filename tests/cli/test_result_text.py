"""The end of a run on the terminal."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlspec.apply.execute import RunResult
from mlspec.cli.console import Console
from mlspec.cli.result_text import close
from mlspec.run.outcome import Outcome
from mlspec.stage_context import StageContext
from mlspec.stage_result import Reason
from mlspec.target_facts import TargetName
from mlspec.workspace.roots import Roots


def seen(root: Path, environment: str | None = None, target: TargetName = "aws") -> Any:
    """As much of an ApplyPlan as the summary reads."""
    return SimpleNamespace(
        roots=Roots(root, root),
        build=SimpleNamespace(project=SimpleNamespace(environment=environment)),
        context=StageContext(target=target, root=root, local_dir=root),
    )


def test_warnings_are_repeated_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [Outcome("package", "ran", seconds=1.0), Outcome("image", "ran", seconds=2.0, warnings=("not proved",))]
    assert close(Console(), seen(tmp_path), RunResult(tuple(outcomes), tmp_path / "report.html")) == 0
    assert capsys.readouterr().err.splitlines() == ["warning: image: not proved", "2 ran (3.0 s)"]


class Terminal(Console):
    """A console that a user watches."""

    @property
    def terminal(self) -> bool:
        return True


def test_decisions_are_shown_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a terminal at the end; elsewhere the log of the stage, which was printed, has them."""
    outcomes = (Outcome("data", "ran", seconds=1.0, decisions=("rows  all used",)),)
    for console, lines in ((Terminal(), ["data decided:", "  rows  all used"]), (Console(), [])):
        close(console, seen(tmp_path), RunResult(outcomes, tmp_path / "report.html"))
        assert capsys.readouterr().err.splitlines() == [*lines, "1 ran (1.0 s)"]


def test_the_next_command_has_the_same_target_and_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    help = "mlspec releases shows what happened; mend it, then: mlspec apply --force image"
    failed = [Outcome("deploy", "failed", Reason("failed", "no"), help)]
    close(Console(), seen(tmp_path), RunResult(tuple(failed), tmp_path / "report.html"))
    output = capsys.readouterr().err
    assert f"= help: {help}\n" in output
    assert "= resume: mlspec apply\n" in output
    close(Console(), seen(tmp_path, "prod", "local"), RunResult(tuple(failed), tmp_path / "report.html"))
    output, same = capsys.readouterr().err, "--env prod --target local"
    assert f"mlspec releases {same} shows what happened; mend it, then: mlspec apply {same} --force image" in output
    assert f"= resume: mlspec apply {same}\n" in output


def test_a_failure_is_shown_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deploy.log").write_text(
        "WARNING: 'src/__init__.py' is empty.\nRunning stage 'deploy':\n> mlspec run deploy\n"
        "version 2: canary\nerror: it was bad\n  = help: mend it\n"
    )
    failed = [Outcome("deploy", "failed", Reason("failed", "it was bad"), "mend it", log="deploy.log")]
    close(Console(), seen(tmp_path), RunResult(tuple(failed), tmp_path / "report.html"))
    assert capsys.readouterr().err.splitlines()[1:6] == [
        "error: deploy failed: it was bad",
        "  | version 2: canary",
        "  = log: deploy.log (mlspec logs deploy)",
        "  = help: mend it",
        "  = resume: mlspec apply",
    ]


def test_a_long_error_is_shown_from_its_beginning_with_every_help(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    details = "".join(f"  column{index} is not a number\n" for index in range(20))
    (tmp_path / "data.log").write_text(
        f"read 9 rows\nerror: 20 data checks failed:\n{details}  = help: first\n  = help: second\n"
        "ERROR: failed to reproduce 'data': failed to run: mlspec run data, exited with 4\n"
    )
    failed = [Outcome("data", "failed", Reason("failed", "20 data checks failed"), "first", log="data.log")]
    close(Console(), seen(tmp_path), RunResult(tuple(failed), tmp_path / "report.html"))
    output = capsys.readouterr().err.splitlines()
    assert output[2] == "  |   column0 is not a number"
    assert output[16:21] == [
        "  |   and 6 more lines",
        "  = log: data.log (mlspec logs data)",
        "  = help: first",
        "  = help: second",
        "  = resume: mlspec apply",
    ]
