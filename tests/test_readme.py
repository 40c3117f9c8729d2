"""The README's tour is true: every command in a `console` block runs, in order, and prints what stands below it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlspec.cli.app import COMMANDS
from mlspec.compiler import compile_project
from mlspec.errors import SpecError
from mlspec.parts.all_parts import PARTS
from mlspec.shipping.rehearsal.processes import RehearsalProcesses
from mlspec.shipping.rehearsal.rehearsal import Rehearsal
from tests.conftest import CHECKOUT
from tests.test_starters import TOUR, passed

README = CHECKOUT / "README.md"


@dataclass
class Command:
    """One `$ ` line of a block, and the output that the README shows."""

    text: str
    output: list[str] = field(default_factory=list)


def commands() -> list[Command]:
    """The commands of all console blocks, in order."""
    found: list[Command] = []
    for block in re.findall(r"^```console\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Command(line[2:]))
            else:
                found[-1].output.append(line)
    return found


def like(lines: list[str]) -> str:
    """A pattern for output: numbers, durations and gaps may differ; `...` stands for any lines."""
    pattern = ""
    for line in lines:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
            continue
        for piece in re.split(r"(\d+(?:\.\d+)?(?:e-\d+)?(?: (?:s|min|h)\b)?| {2,})", line.rstrip()):
            number = r"\d+(?:\.\d+)?(?:e-\d+)?"
            duration = re.fullmatch(r".*\d (s|min|h)", piece)
            if piece[:1].isdigit():
                pattern += number + (" (?:s|min|h)" if duration else "")
            else:
                pattern += " +" if piece.startswith("  ") else re.escape(piece)
        pattern += r" *\n"
    return pattern


def test_the_two_commands_come_first() -> None:
    assert [c.text for c in commands()][:2] == ["make demo", "make test"]


def test_every_command_of_the_program_is_in_the_table() -> None:
    text = README.read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`mlspec {name}" not in text] == []


def test_every_link_leads_somewhere() -> None:
    for page in (README, CHECKOUT / "CONTRIBUTING.md", *(CHECKOUT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench"])
def test_make_knows_its_targets(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_make_says_what_is_missing(tmp_path: Path) -> None:
    """Without any Python, and with one that cannot make environments."""
    lonely = tmp_path / "bin"
    lonely.mkdir()
    for tool in ("sh", "make", "test", "echo", "basename"):
        (lonely / tool).symlink_to(f"/usr/bin/{tool}")
    asked = ["make", "demo", f"VENV={tmp_path}/venv"]
    done = subprocess.run(asked, cwd=CHECKOUT, env={"PATH": str(lonely)}, capture_output=True, text=True)
    assert done.returncode != 0
    assert "apt install python3.11" in done.stdout
    (lonely / "python3.11").write_text('#!/bin/sh\n[ "$2" = "" ]\n')
    (lonely / "python3.11").chmod(0o755)
    done = subprocess.run(asked, cwd=CHECKOUT, env={"PATH": str(lonely)}, capture_output=True, text=True)
    assert done.returncode != 0
    assert "apt install python3.11-venv" in done.stdout


def test_the_target_that_the_readme_adds_works(tmp_path: Path) -> None:
    """Its template and its part, as they stand there, with one more part in the registry."""
    text = README.read_text(encoding="utf-8")
    (template,) = re.findall(r"```jinja\n(.*?)```", text, re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "templates" / "badge").mkdir(parents=True)
    (tmp_path / "templates" / "badge" / "badge.json.j2").write_text(textwrap.dedent(template))
    badge = types.ModuleType("badge")
    exec(textwrap.dedent(code), badge.__dict__)
    minimal = (CHECKOUT / "specs" / "minimal" / "mlproject.yaml").read_text(encoding="utf-8")
    spec = tmp_path / "mlproject.yaml"
    spec.write_text(minimal + 'badge: {label: "say \\"hi\\""}\n')
    files = {f.path: f.text for f in compile_project(spec, parts=(*PARTS, badge)).files}
    assert json.loads(files["badge.json"]) == {"label": 'say "hi"', "message": "minimal"}
    spec.write_text(minimal + 'badge: {label: " "}\n')
    with pytest.raises(SpecError) as caught:
        compile_project(spec, parts=(*PARTS, badge))
    assert [d.code for d in caught.value.diagnostics] == ["empty-badge"]


@pytest.fixture
def tour(tmp_path: Path) -> Iterator[Path]:
    """A folder for the tour; a rehearsal that a failure has left there is ended."""
    yield tmp_path
    for home in tmp_path.glob("*/.mlspec/local"):
        Rehearsal(RehearsalProcesses(home)).stop()


@pytest.mark.slow
def test_the_tour_prints_what_it_shows(tour: Path, docker: str) -> None:
    """Its starter passes its gates too, and a second apply of all stages has nothing to do, as the README shows."""
    assert docker
    folder = tour
    applied: list[Path] = []
    environment = {
        **{k: v for k, v in os.environ.items() if k not in ("CI", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
        "NO_COLOR": "1",
    }
    for command in commands():
        if command.text.startswith(("make ", "pip ", "git clone")):
            continue
        if command.text.startswith("cd "):
            folder /= command.text[3:]
            continue
        done = subprocess.run(
            ["bash", "-c", command.text], cwd=folder, env=environment, stdout=-1, stderr=subprocess.STDOUT, text=True
        )
        shown = like(command.output)
        assert re.fullmatch(shown, done.stdout), (
            f"$ {command.text}\n{done.stdout}\n--- README shows ---\n{command.output}"
        )
        if command.text == "mlspec apply --yes":
            applied.append(folder)
            passed(folder)
            check = subprocess.run(["mlspec", "build", "--check"], cwd=folder, env=environment, capture_output=True)
            assert check.returncode == 0, check.stdout
    assert applied == [tour / TOUR]
