"""`mlspec propose`: results on a branch of a real bare repository; the checkout stays as it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlspec.cli.app import main
from tests.sharing import once, shared_folder
from tests.warm_python import WarmPython

pytestmark = pytest.mark.slow
SPEC = """\
project: {name: cola}
data: {source: data.csv, track: git, inputs: {sentence: text}, target: {column: label, type: class, labels: ["no", "yes"]}}
model: {type: text-classifier}
environments:
  prod: {data: {split: {seed: 8}}}
"""
ROWS = "sentence,label\n" + "".join(f"sentence {n},{'yes' if n % 3 else 'no'}\n" for n in range(60))
BRANCH = "mlspec/cola-training/main"


@dataclass(frozen=True)
class Checkout:
    """A checkout with results that its commit does not have, and its bare repository."""

    root: Path
    origin: Path
    warm: WarmPython

    def git(self, *words: str) -> str:
        return subprocess.check_output(["git", *words], cwd=self.root, text=True)

    def apply(self, *words: str) -> None:
        command = ["mlspec", "apply", "--yes", *words]
        subprocess.run(command, cwd=self.root, env=self.warm.variables(os.environ), check=True, capture_output=True)

    def state(self) -> tuple[str, str, str]:
        """What a proposal must not change."""
        return self.git("rev-parse", "HEAD"), self.git("status", "--porcelain"), self.git("diff", "--cached")


@pytest.fixture(scope="session")
def _published(warm: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def publish(folder: Path) -> None:
        (folder / "work").mkdir()
        (folder / "work/mlproject.yaml").write_text(SPEC)
        (folder / "work/data.csv").write_text(ROWS)
        commands = (
            "git init -q -b main",
            "mlspec build",
            "git add .",
            "git -c user.name=Ada -c user.email=ada@example.org commit -qm one",
            "git clone -q --bare . ../origin",
            "git remote add origin ../origin",
            "mlspec apply --yes",
        )
        for command in commands:
            environ = warm.variables(os.environ)
            subprocess.run(command.split(), cwd=folder / "work", env=environ, check=True, capture_output=True)

    return once(shared_folder(tmp_path_factory, "published"), publish)


@pytest.fixture
def checkout(_published: Path, warm: WarmPython, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    shutil.copytree(_published, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))  # no user.email
    return Checkout(tmp_path / "work", tmp_path / "origin", warm)


def proposed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """The document of a successful proposal."""
    code = main(["propose", "--json", *words])
    document = json.loads(capsys.readouterr().out)
    assert code == 0, document
    return document


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["propose"]) == 4
    return capsys.readouterr().err


def test_results_are_a_commit_on_the_branch_and_the_checkout_stays(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    before = checkout.state()
    (checkout.root / "artifacts/notes.txt").write_text("untracked")
    document = proposed(capsys)
    (checkout.root / "artifacts/notes.txt").unlink()
    assert checkout.state() == before
    assert document["branch"] == BRANCH
    assert {"dvc.lock", "artifacts/data/schema.json", "artifacts/notes.txt"} <= set(document["files"])
    assert not [name for name in document["files"] if name.endswith((".parquet", ".html"))], "git ignores them"
    listed = checkout.git("--git-dir", str(checkout.origin), "log", "-1", "--format=%H %P %an %s", BRANCH).split(" ", 3)
    assert listed == [document["commit"], before[0].strip(), "mlspec", "Results of a training\n"]

    assert main(["propose"]) == 0
    assert f"to the branch {BRANCH}; open a pull request of it" in capsys.readouterr().out, "replaces the first"
    checkout.git("fetch", "-q", "origin", BRANCH)
    checkout.git("reset", "-q", "FETCH_HEAD")  # as after the merge
    assert proposed(capsys) == {"ok": True, "branch": None, "commit": None, "files": []}


def test_an_environment_has_a_branch_of_its_own(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.apply("--env", "prod")
    assert proposed(capsys, "--env", "prod")["branch"] == "mlspec/cola-prod-training/main"
    assert "`data` is not up to date" in refused(capsys)


def test_results_that_are_not_those_of_the_commit_are_refused(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = checkout.root / "mlproject.yaml"
    spec.write_text(SPEC.replace("inputs:", "split: {seed: 9}, inputs:", 1))
    text = refused(capsys)
    assert "the stage `data` is not up to date" in text
    assert "mlspec apply" in text
    spec.write_text(SPEC + "# a comment\n")
    assert "differs from its commit in mlproject.yaml" in refused(capsys)
    spec.write_text(SPEC)
    checkout.git("checkout", "-q", "--detach")
    assert "no branch is checked out" in refused(capsys)


def test_a_branch_that_cannot_be_pushed(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    hook = checkout.origin / "hooks" / "update"
    hook.write_text("#!/bin/sh\necho 'this branch is protected' >&2; exit 1\n")
    hook.chmod(0o755)
    text = refused(capsys)
    assert f"cannot push dvc.lock to the branch {BRANCH}" in text
    assert "this branch is protected" in text
    hook.write_text("#!/bin/sh\necho 'Create a pull request: https://example.org/new' >&2\n")
    assert main(["propose"]) == 0
    assert "Create a pull request: https://example.org/new" in capsys.readouterr().err


def test_a_folder_without_git(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    (checkout.root / ".git").rename(checkout.root.parent / "moved")
    assert "not in a git repository" in refused(capsys)
