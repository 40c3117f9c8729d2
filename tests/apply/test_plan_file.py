"""A saved plan: it is done as it was shown, or it is refused, with what has changed since."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mlspec
from mlspec.apply import plan_file
from mlspec.cli.app import main
from tests.integration.lines import SPEC

ROWS = "a,label\n" + "".join(f"{i},{'yes' if i % 2 else 'no'}\n" for i in range(40))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLSPEC_TARGET", "aws")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/rows.csv").write_text(ROWS)
    spec = SPEC.replace('"src.rows:load"', "data/rows.csv") + "environments: {big: {data: {split: {valid: 0.2}}}}\n"
    (tmp_path / "mlproject.yaml").write_text(spec)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = 3) -> str:
    capsys.readouterr()
    assert main(["apply", *words]) == code
    return capsys.readouterr().err


def test_it_holds_while_nothing_changes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--out", "p.json"]) == 0
    shown = capsys.readouterr()
    assert "to execute it: mlspec apply p.json" in shown.err
    assert main(["apply", "p.json", "--dry-run"]) == 0
    assert capsys.readouterr().out == shown.out
    assert sorted(p.name for p in root.iterdir() if p.name != ".mlspec") == ["data", "mlproject.yaml", "p.json"]


def test_it_carries_its_environment_and_its_selection(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--env", "big", "--until", "data", "--force", "data", "--out", "p.json"]) == 0
    capsys.readouterr()
    assert main(["apply", "p.json", "--dry-run", "--json"]) == 0
    (stage,) = json.loads(capsys.readouterr().out)["plan"]["stages"]
    assert (stage["stage"], stage["reason"]) == ("data", "forced")
    (root / "data/rows.csv").write_text(ROWS.replace("39,", "40,"))
    assert "mlspec plan --out p.json --env big --until data --force data" in refused(capsys, "p.json")


CHANGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "the spec": (lambda r: (r / "mlproject.yaml").open("a").write("# more\n"), "mlproject.yaml changed"),
    "the data": (lambda r: (r / "data/rows.csv").write_text(ROWS + "1,yes\n"), "data/rows.csv changed"),
    "no data": (lambda r: (r / "data/rows.csv").unlink(), "data/rows.csv was deleted"),
    "an output": (lambda r: _put(r / "artifacts/data/train.parquet"), "artifacts/data/train.parquet is new"),
    "the lock": (
        lambda r: (r / "mlspec.lock").write_text('{"version": 1, "files": [\nnull]}\n'),
        "mlspec.lock changed",
    ),
    "a file": (lambda r: (r / ".gitignore").write_text("mine\n"), ".gitignore changed on disk"),
    "a template": (
        lambda r: _put(r / "templates/dvc/dvc.yaml.j2", "stages: {}\n"),
        "dvc.yaml would be written with different content",
    ),
}


def _put(path: Path, text: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("name", CHANGES)
def test_it_is_refused_once_something_changed(root: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    if name == "the lock":
        assert main(["build"]) == 0
    assert main(["plan", "--out", "p.json"]) == 0
    change, sentence = CHANGES[name]
    change(root)
    before = sorted(root.rglob("*"))
    output = refused(capsys, "p.json", "--yes")
    assert "nothing was done: the plan in p.json is out of date" in output
    assert f"  {sentence}\n" in output
    left = {path.relative_to(root).as_posix() for path in set(root.rglob("*")) - set(before)}
    assert left <= {".mlspec", ".mlspec/lock", ".mlspec/.gitignore"}


@pytest.mark.parametrize(
    ("words", "option"),
    [(["--env", "big"], "env"), (["--until", "data"], "until"), (["--force", "data"], "force"), (["--engine", "dvc"], "engine")],
)  # fmt: skip
def test_what_is_settled_is_not_asked_again(
    root: Path, capsys: pytest.CaptureFixture[str], words: list[str], option: str
) -> None:
    assert main(["plan", "--out", "p.json"]) == 0
    assert f"--{option} is fixed by the plan" in refused(capsys, "p.json", *words, code=2)


def test_it_carries_its_target(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSPEC_TARGET", "local")
    assert main(["plan", "--out", "p.json"]) == 0
    monkeypatch.setenv("MLSPEC_TARGET", "aws")
    assert "is for --target local, not aws" in refused(capsys, "p.json", code=2)
    monkeypatch.setenv("MLSPEC_TARGET", "")
    monkeypatch.delenv("MLSPEC_TARGET")
    assert main(["apply", "p.json", "--dry-run"]) == 0
    assert plan_file.load_plan(root / "p.json", None, None)[0].target == "local"


def _edited(root: Path, **changes: object) -> str:
    plan = json.loads((root / "p.json").read_text())
    return json.dumps({**plan, **changes})


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"mlspec_plan": 2}, 2, "has format 2; this mlspec reads format 1"),
        ({"mlspec_plan": True}, 2, "is not a plan"),
        ({"mlspec": "9.9"}, 3, f"saved by mlspec 9.9, this is mlspec {mlspec.__version__}"),
        ({"spec": "/etc/passwd"}, 2, "(spec: string should match"),
        ({"run": "rm -rf /"}, 2, "is not a plan saved by `mlspec plan --out` (run: extra inputs"),
        ({"only": "data"}, 2, "(only: input should be"),
        ({"stages": {"data": {"command": "rm -rf /", "reason": "never ran", "certain": True, "forced": False}}}, 3,
         "stage data changed"),
        ({"read": {"/etc/passwd": None}}, 3, "/etc/passwd"),
        ({"environment": "\u001b[2J; rm"}, 2, "(environment: string should match"),
        ({"environment": "none"}, 2, "environment not found in the spec: none"),
        ({"spec": "other.yaml"}, 3, "other.yaml was deleted"),
        ({"engine": "shell"}, 2, "(engine: input should be 'dvc')"),
    ],
    ids=str,
)  # fmt: skip
def test_a_file_is_not_trusted(
    root: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], code: int, sentence: str
) -> None:
    assert main(["plan", "--out", "p.json"]) == 0
    (root / "p.json").write_text(_edited(root, **changes))
    capsys.readouterr()
    got = main(["apply", "p.json", "--dry-run"])
    err = capsys.readouterr().err
    assert got == code, err
    assert sentence in err
    assert "\033" not in err
    assert "Traceback" not in err


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"mlspec_plan": "1"}', "[" * 100_000, "\xff"], ids=range(7))
def test_a_file_that_is_not_a_plan(root: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (root / "p.json").write_bytes(text.encode("latin-1"))
    assert "p.json is not a plan saved by `mlspec plan --out`" in refused(capsys, "p.json", code=2)


def test_a_path_that_is_not_a_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot read the plan in none.json: No such file" in refused(capsys, "none.json", code=2)
    assert "cannot read the plan in data: Is a directory" in refused(capsys, "data", code=2)
    os.mkfifo(root / "pipe")
    assert "pipe is not a plan" in refused(capsys, "pipe", code=2)


def test_saving_costs_no_other_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = (root / "mlproject.yaml").read_text()
    assert main(["plan", "--out", "mlproject.yaml"]) == 2
    assert (root / "mlproject.yaml").read_text() == spec
    assert main(["plan", "--out", "none/p.json"]) == 2
    assert "to none/p.json: No such file" in capsys.readouterr().err
    assert main(["plan", "--out", "p.json"]) == main(["plan", "--out", "p.json"]) == 0


def test_a_plan_with_a_conflict_is_not_saved(root: Path) -> None:
    (root / "dvc.yaml").write_text("mine: 1\n")
    assert main(["plan", "--out", "p.json"]) == 3
    assert not (root / "p.json").exists()


def test_jobs_says_what_it_does_not_do(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apply", "--dry-run", "--jobs", "4"]) == 0
    assert "--jobs 4 has no effect: the engine dvc runs one stage at a time" in capsys.readouterr().err
    assert main(["apply", "--dry-run", "--engine", "dvd"]) == 2


def test_the_engines_offered_are_those_there_are() -> None:
    from mlspec.cli.options import ENGINES as OFFERED
    from mlspec.run.engines.all_engines import ENGINES

    assert tuple(ENGINES) == OFFERED
