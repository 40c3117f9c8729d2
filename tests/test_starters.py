"""Starters: what init writes and what it refuses; each is a valid project, and each runs its whole line."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from mlspec.cli.app import main
from mlspec.compiler import compile_project
from mlspec.errors import ConflictError, MlspecError, UsageError
from mlspec.parts.all_parts import PARTS
from mlspec.render.environment import templates_folder
from mlspec.spec.json_schema import json_schema
from mlspec.starters import SCHEMA, STARTERS, contents, name_for, start
from tests.conftest import CHECKOUT
from tests.warm_python import WarmPython

OFFLINE = [name for name in STARTERS if name != "cola"]
TOUR = "digits"
"""The starter whose pipeline is run by the README's tour."""


def tree(folder: Path) -> dict[str, bytes]:
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def test_every_folder_is_a_starter_with_a_line() -> None:
    folders = {f.name for f in (templates_folder() / "init").iterdir() if f.is_dir()}
    assert folders == set(STARTERS)


@pytest.mark.parametrize("starter", STARTERS)
def test_it_is_a_valid_project_with_everything_a_newcomer_looks_for(starter: str, tmp_path: Path) -> None:
    started = start(starter, tmp_path / "p", "my-project", "{}\n")
    assert {"README.md", ".gitignore", "mlproject.yaml", "data/README.md", SCHEMA} <= set(started.files)
    assert tree(tmp_path / "p").keys() == set(started.files)
    assert not any(path.endswith((".j2", ".pyc")) for path in started.files)
    build = compile_project(tmp_path / "p" / "mlproject.yaml")
    assert build.project.info.name == "my-project"
    assert build.warnings == ()
    stages = [stage.name for stage in build.plan.stages]
    assert [s for s in stages if s != "fetch"][:5] == ["data", "train", "evaluate", "gate", "export"]
    assert {"robustness", "test"} <= set(stages)


@pytest.mark.parametrize("starter", STARTERS)
def test_its_first_line_leads_an_editor_to_the_schema(starter: str, tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "p"), "--template", starter]) == 0
    spec = (tmp_path / "p" / "mlproject.yaml").read_text(encoding="utf-8")
    named = spec.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    written = json.loads((tmp_path / "p" / named).read_text(encoding="utf-8"))
    assert written == json_schema(PARTS)
    jsonschema.Draft202012Validator.check_schema(written)


@pytest.mark.parametrize("starter", STARTERS)
def test_its_data_says_where_it_is_from_and_under_which_licence(starter: str) -> None:
    messages = contents(starter, "x")["data/README.md"].decode()
    assert "- Source:" in messages
    assert "- Licence:" in messages


def test_no_starter_but_cola_needs_the_network() -> None:
    for starter in OFFLINE:
        spec = contents(starter, "x")["mlproject.yaml"].decode()
        lines = [line for line in spec.splitlines() if not line.strip().startswith("#")]
        assert not any("://" in line or "pretrained" in line for line in lines), starter


def test_any_name_arrives_as_that_name(tmp_path: Path) -> None:
    """YAML would read these as a number, a boolean and nothing at all."""
    for name in ("007", "on", "null", "1e-3"):
        start("digits", tmp_path / name, name, "{}")
        assert compile_project(tmp_path / name / "mlproject.yaml").project.info.name == name


def test_other_files_of_a_folder_are_kept(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.csv").write_text("a\n")
    (tmp_path / "notes.md").write_text("mine")
    start("text", tmp_path, "joined", "{}")
    assert (tmp_path / "notes.md").read_text() == "mine"
    assert (tmp_path / "data" / "mine.csv").read_text() == "a\n"
    assert (tmp_path / "mlproject.yaml").exists()


@pytest.mark.parametrize("stands", ["mlproject.yaml", "mlproject.schema.json", "data/sentences.csv", "data"])
def test_nothing_is_replaced_and_then_nothing_is_written(tmp_path: Path, stands: str) -> None:
    (tmp_path / stands).parent.mkdir(exist_ok=True)
    (tmp_path / stands).write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(ConflictError) as caught:
        start("text", tmp_path, "x", "{}")
    assert all(path.startswith(stands) for path in caught.value.paths)
    assert tree(tmp_path) == before


def test_the_first_files_of_a_fresh_repository_are_kept(tmp_path: Path) -> None:
    for name in ("README.md", ".gitignore", "LICENSE"):
        (tmp_path / name).write_text("mine\n")
    started = start("text", tmp_path, "x", "{}")
    assert set(started.kept) == {"README.md", ".gitignore"}
    assert not set(started.kept) & set(started.files)
    assert {(tmp_path / name).read_text() for name in (*started.kept, "LICENSE")} == {"mine\n"}
    assert start("text", tmp_path, "x", "{}").files == ()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    project = tmp_path / "project"
    project.mkdir()
    (project / "data").symlink_to(outside)
    with pytest.raises(ConflictError):
        start("text", project, "x", "{}")
    assert list(outside.iterdir()) == []


def test_a_second_start_finds_all_in_place(tmp_path: Path) -> None:
    first = start("text", tmp_path / "p", "x", "{}")
    (tmp_path / "p" / "README.md").unlink()
    second = start("text", tmp_path / "p", "x", "{}")
    assert second.files == ("README.md",)
    assert tree(tmp_path / "p").keys() == set(first.files)


def test_a_folder_without_write_permission_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MlspecError, match="cannot write the project"):
        start("text", tmp_path / "file" / "p", "x", "{}")


def test_a_failure_half_way_takes_everything_back(tmp_path: Path) -> None:
    """The name of a file is too long for the disk: the last one of many."""
    project = tmp_path / "new" / "project"
    files = {"a/b.txt": b"1", "c.txt": b"2", "d" * 300: b"3"}
    from mlspec import starters

    with pytest.raises(OSError, match="name too long"):
        starters.put(files, project)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_created_leaves_no_parent_folders(tmp_path: Path) -> None:
    from mlspec import starters

    with pytest.raises(OSError, match="name too long"):
        starters.put({"a": b"1"}, tmp_path / "new" / ("d" * 300))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    from mlspec import starters

    created = [tmp_path / "p" / name for name in ("a", "a/b.txt", "c.txt")]
    created[0].mkdir(parents=True)
    for file in (*created[1:], tmp_path / "p" / "a" / "mine.txt"):
        file.write_text("x")
    starters.roll_back(created, tmp_path / "p" / ".mlspec-init", tmp_path / "p", tmp_path)
    assert tree(tmp_path).keys() == {"p/a/mine.txt"}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_a_killed_start_can_be_repeated(end: signal.Signals, tmp_path: Path) -> None:
    """Killed at many moments, a second start completes the project; nothing half-written is in the way."""
    code = (
        "import sys; from pathlib import Path; from mlspec.starters import start\n"
        "start('digits', Path(sys.argv[1]), 'x', '{}')"
    )
    whole = start("digits", tmp_path / "whole", "x", "{}")
    for moment in range(4):
        project = tmp_path / f"killed-{moment}"
        process = subprocess.Popen([sys.executable, "-c", code, str(project)], cwd=CHECKOUT, stderr=subprocess.DEVNULL)
        while process.poll() is None and sum(len(files) for _, _, files in os.walk(project)) <= moment * 250:
            pass
        process.send_signal(end)
        process.wait()
        if end == signal.SIGINT:
            assert not project.exists() or tree(project).keys() == set(whole.files)
        start("digits", project, "x", "{}")
        assert tree(project).keys() == set(whole.files)


def test_names_come_from_folders(tmp_path: Path) -> None:
    assert name_for(tmp_path / "My Project (2)", "text") == "my-project-2"
    assert name_for(tmp_path / "___", "text") == "text"
    assert name_for(tmp_path / "日本", "digits") == "digits"
    assert len(name_for(tmp_path / ("x" * 200), "text")) == 63


def test_an_error_is_reported_on_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "p"), "--template", "digit"]) == 2
    assert "did you mean `digits`?" in capsys.readouterr().err
    assert main(["init", str(tmp_path / "p"), "--template", "text", "--name", "A B"]) == 2
    assert "cannot be a project's name" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["init", str(tmp_path / "file"), "--template", "text"]) == 2
    assert main(["init", str(tmp_path / "p")]) == 2
    assert "--template NAME, one of: digits" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


def test_the_list_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(STARTERS)
    assert main(["init", "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["templates"] == dict(STARTERS)
    assert main(["init", str(tmp_path / "p"), "--template", "text", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "p"
    (tmp_path / "p" / "README.md").write_text("mine")
    assert main(["init", str(tmp_path / "p"), "--template", "text", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == ["README.md"]
    (tmp_path / "p" / "mlproject.yaml").write_text("mine")
    assert main(["init", str(tmp_path / "p"), "--template", "text", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["conflicts"] == ["mlproject.yaml"]


@pytest.mark.parametrize(("typed", "starter"), [("2\n", "tabular"), ("text\n", "text"), ("\n", "digits")])
def test_at_a_terminal_it_asks(typed: str, starter: str, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "CI"} | {"TERM": "xterm", "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", "mlspec", "init", "p", "--json"]
    os.write(ours, typed.encode())
    done = subprocess.run(command, cwd=tmp_path, env=environment, stdin=theirs, stderr=theirs, stdout=-1, text=True)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 0
    spec = (tmp_path / "p" / "mlproject.yaml").read_bytes()
    assert spec == contents(starter, "p")["mlproject.yaml"]
    assert json.loads(done.stdout)["name"] == "p"


def test_unknown_starters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        start("../../etc", tmp_path / "p", "x", "{}")


def passed(project: Path) -> None:
    """The gates and the robustness checks of an applied starter passed."""
    gates = json.loads((project / "artifacts" / "metrics" / "gates.json").read_text())
    assert gates["passed"] is True
    assert json.loads((project / "artifacts" / "metrics" / "robustness.json").read_text())["passed"] is True


@pytest.mark.slow
@pytest.mark.parametrize("starter", [name for name in OFFLINE if name != TOUR])
def test_its_whole_line_runs_and_a_second_time_has_nothing_to_do(
    starter: str, warm: WarmPython, tmp_path: Path
) -> None:
    """The README's tour runs one in processes of its own."""
    project = tmp_path / "p"
    inherited = {k: v for k, v in os.environ.items() if k != "PYTEST_DISABLE_PLUGIN_AUTOLOAD"}
    environment = warm.variables({**inherited, "NO_COLOR": "1"})

    def mlspec(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["mlspec", *arguments],
            cwd=project if project.exists() else tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )

    for step in (["init", "p", "--template", starter], ["build"], ["apply", "--yes"]):
        done = mlspec(*step)
        assert done.returncode == 0, done.stdout + done.stderr
    passed(project)
    again = mlspec("apply", "--yes", "--json")
    assert again.returncode == 0, again.stderr
    outcomes = json.loads(again.stdout)["outcomes"]
    assert {o["status"] for o in outcomes} <= {"cached", "skipped"}, outcomes
    assert mlspec("build", "--check").returncode == 0
