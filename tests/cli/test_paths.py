"""Every path on the command line, with a name that no file can have or where something is in the way."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mlspec.cli.app import main
from mlspec.cli.help_page import COMMANDS
from mlspec.cli.paths import PathType
from tests.parts.targets import BASE

GIVEN: dict[tuple[str, str], list[str]] = {
    ("init", "folder"): ["init", "--template", "text"],
    ("apply", "plan"): ["apply"],
    ("apply", "spec"): ["apply", "--yes", "--until", "data", "--spec"],
}
"""The command line up to a path, where that is not COMMAND --OPTION."""
AFTER = {"run": ["data"]}
WRITES = [["plan", "--out"], ["schema", "--out"]]
NO_FILE = {
    "overlong": ("x" * 300, "File name too long"),
    "overlong-path": ("x/" * 3000, "File name too long"),
    "nul": ("a\0b", r"`a\x00b` has the control character U+0000"),
    "escape": ("a\x1b[31mb", r"`a\x1b[31mb` has the control character U+001B"),
    "line-break": ("a\nb", r"`a\nb` has the control character U+000A"),
    "empty": ("", "is empty"),
    "loop": ("loop/x", "Too many levels of symbolic links"),
}


def parameters() -> Iterator[tuple[str, click.Parameter]]:
    """Each command with everything of it that takes a path."""
    for name in COMMANDS:
        command: click.Command = importlib.import_module(f"mlspec.cli.commands.{name}").command
        for parameter in command.params:
            kinds = isinstance(parameter.type, PathType | click.Path)
            if kinds or parameter.metavar in ("FILE", "PATH", "[DIR]", "[PLAN]"):
                yield name, parameter


PATHS = sorted((command, str(parameter.name)) for command, parameter in parameters())


def tree(root: Path) -> dict[str, bytes | None]:
    files = (path for path in root.rglob("*") if path.name != "loop")
    return {str(p.relative_to(root)): p.read_bytes() if p.is_file() else None for p in files}


def line(command: str, name: str, value: str) -> list[str]:
    return [*GIVEN.get((command, name), [command, f"--{name}"]), value, *AFTER.get(command, [])]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (root / "mlproject.yaml").write_text(BASE)
    (root / "data" / "cola.csv").write_text("sentence,label\n" + "a b,no\nb c,yes\n" * 20)
    (root / "folder").mkdir()
    (root / "file").write_text("mine")
    (root / "loop").symlink_to("loop")
    monkeypatch.chdir(root)
    return root


def test_every_path_has_the_one_type() -> None:
    for command, parameter in parameters():
        assert isinstance(parameter.type, PathType), (command, parameter.name)
    known = {("init", "folder"), ("plan", "out"), ("schema", "out"), ("apply", "plan"), ("build", "keep")}
    assert known | {("run", "spec"), ("serve", "spec"), ("destroy", "spec")} <= set(PATHS)


@pytest.mark.parametrize(("command", "name"), PATHS)
@pytest.mark.parametrize("kind", NO_FILE)
def test_a_path_that_no_file_can_have(
    command: str, name: str, kind: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value, reason = NO_FILE[kind]
    before = tree(project)
    assert main(line(command, name, value)) == 2
    output = capsys.readouterr().err
    assert reason in output
    assert f"mlspec {command} --help" in output
    assert "\x1b" not in output
    assert len(output) < 400
    assert tree(project) == before


@pytest.mark.parametrize("words", WRITES, ids=" ".join)
@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("folder", "Is a directory"),
        (".", "Is a directory"),
        ("file/x", "Not a directory"),
        ("none/such/x", "No such file or directory"),
    ],
)
def test_where_no_file_can_be_written(
    words: list[str], place: str, reason: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(project)
    assert main([*words, place]) == 2
    output = capsys.readouterr().err
    assert f"{place} cannot be" in output or f"to {place}: {reason}" in output
    assert reason in output
    assert "= help: " in output
    assert tree(project) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("words", WRITES, ids=" ".join)
def test_a_folder_that_may_not_be_written_to(
    words: list[str], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "folder").chmod(0o555)
    assert main([*words, "folder/x"]) == 2
    assert "folder/x: Permission denied" in capsys.readouterr().err
    assert list((project / "folder").iterdir()) == []


@pytest.mark.parametrize("command", [command for command, name in PATHS if name == "spec"])
@pytest.mark.parametrize("place", ["folder", "file/x", "none/such.yaml", "folder/none.yaml", "a\u202eb"])
def test_a_spec_that_is_not_there(command: str, place: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(project)
    assert main(line(command, "spec", place)) == 1
    output = capsys.readouterr().err
    shown = place.replace("\u202e", r"\u202e")
    assert f"{shown}: error[missing-file]: " in output
    assert f"file not found: {shown}" in output or f"{shown} is a folder, not a file" in output
    assert tree(project) == before, "nothing was written beside it"
