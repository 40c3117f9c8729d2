"""README and CONTRIBUTING are true: their commands run, what they show is printed, and the example target works."""

from __future__ import annotations

import re
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.pages import PageCommand, Shell, check, commands
from tests.test_starters import TOUR, passed
from tests.warm_python import WarmPython

README = CHECKOUT / "README.md"
MOST_LINES = 200


def test_it_is_short_and_the_two_commands_come_first() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) < MOST_LINES
    assert [c.text for c in commands(README)][:2] == ["make demo", "make test"]


@pytest.mark.parametrize("target", ["demo", "test", "lint", "docs", "bench"])
def test_make_has_the_targets(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_demo_installs_what_the_plan_of_the_readme_needs() -> None:
    """`mlspec plan` names the extra in place of the numbers where it is missing."""
    (extras,) = re.findall(r"\.demo: EXTRA = (\S+)", (CHECKOUT / "Makefile").read_text(encoding="utf-8"))
    assert {*extras.split(",")} == {"train", "monitor"}
    assert "\nMonitoring\n" in README.read_text(encoding="utf-8")


def test_make_says_what_is_missing(tmp_path: Path) -> None:
    """Without any Python, and with one that cannot make environments."""
    lonely = tmp_path / "bin"
    lonely.mkdir()
    for tool in ("sh", "make", "test", "echo", "basename"):
        (lonely / tool).symlink_to(f"/usr/bin/{tool}")
    requested = ["make", "demo", f"VENV={tmp_path}/venv"]
    done = subprocess.run(requested, cwd=CHECKOUT, env={"PATH": str(lonely)}, capture_output=True, text=True)
    assert done.returncode != 0
    assert "apt install python3.11" in done.stdout
    (lonely / "python3.11").write_text('#!/bin/sh\n[ "$2" = "" ]\n')
    (lonely / "python3.11").chmod(0o755)
    done = subprocess.run(requested, cwd=CHECKOUT, env={"PATH": str(lonely)}, capture_output=True, text=True)
    assert done.returncode != 0
    assert "apt install python3.11-venv" in done.stdout


def shown_plan() -> PageCommand:
    """The plan that the README opens with."""
    block = re.findall(r"^```text\n\$ (mlspec plan)\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
    ((command, output),) = block
    return PageCommand(command, output.splitlines())


@pytest.mark.slow
def test_the_tour_prints_what_it_shows(tmp_path: Path, warm: WarmPython) -> None:
    """Its starter passes its gates too, and the plan after a changed value is the one that the README opens with."""
    project = tmp_path / TOUR
    with closing(Shell(tmp_path, warm)) as shell:
        for command in commands(README):
            if not command.text.startswith("make "):
                check(command, shell)
        passed(project)
        check(PageCommand("mlspec build --check", ["..."]), shell)
        spec = project / "mlproject.yaml"
        spec.write_text(spec.read_text(encoding="utf-8").replace("max_epochs: 15", "max_epochs: 16"), encoding="utf-8")
        check(shown_plan(), shell)
