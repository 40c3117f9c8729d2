"""What we write for DVC works with DVC alone: no mlspec is at work here but its rendered files."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.run.engines.lines import VALUES, Toys, toys

pytestmark = pytest.mark.slow


def ran(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def kept(root: Path) -> Toys:
    """A project with a remote, run once, all of it in git and in the remote."""
    project = toys(root)
    project.write(VALUES, remote="../storage")
    project.dvc("add", "-q", "raw")
    assert ran(project.dvc("repro")) == ["first", "second"]
    project.git("add", ".")
    project.git("commit", "-qm", "one")
    project.dvc("push")
    return project


def test_it_runs_once_and_one_setting_runs_only_what_depends_on_it(tmp_path: Path) -> None:
    project = toys(tmp_path)
    assert ran(project.dvc("repro")) == ["first", "second"]
    assert ran(project.dvc("repro")) == []
    assert "up to date" in project.dvc("status")
    values = copy.deepcopy(VALUES)
    values["beta"]["big"] = 1
    project.write(values)
    assert ran(project.dvc("repro")) == ["second"]
    values["alpha"]["list"] = []
    project.write(values)
    assert ran(project.dvc("repro")) == ["first"]


def test_a_clean_checkout_pulls_and_has_nothing_to_do(tmp_path: Path) -> None:
    origin = kept(tmp_path / "origin")
    assert (tmp_path / "storage" / "files").is_dir()
    assert origin.git("status", "--porcelain") == ""
    subprocess.run(["git", "clone", "-q", str(origin.root), str(tmp_path / "clone")], check=True)
    clone = Toys(tmp_path / "clone")
    assert not (clone.root / "raw").exists()
    clone.dvc("pull")
    assert ran(clone.dvc("repro")) == []
    assert (clone.root / "raw" / "a.txt").read_text() == "a"
    assert (clone.root / "out" / "folder" / "a").read_text() == "a"


def test_raw_data_alone_is_enough_to_run_it_all_again(tmp_path: Path) -> None:
    origin = kept(tmp_path / "origin")
    subprocess.run(["git", "clone", "-q", str(origin.root), str(tmp_path / "clone")], check=True)
    clone = Toys(tmp_path / "clone")
    clone.dvc("pull", "raw.dvc")
    assert ran(clone.dvc("repro")) == ["first", "second"]
    assert clone.git("status", "--porcelain") == ""


def test_metrics_and_plots_are_shown_as_dvc_users_expect(tmp_path: Path) -> None:
    created = kept(tmp_path / "p")
    values = copy.deepcopy(VALUES)
    values["beta"] |= {"more": 1, "and": 2}
    created.write(values, remote="../storage")
    created.dvc("repro")
    record = json.loads(created.dvc("metrics", "diff", "--json"))
    assert record["out/second.json"]["score"]["diff"] == 2
    shown = json.loads(created.dvc("plots", "show", "--json"))
    assert sorted(shown["data"]) == ["Loss", "f1 ${x}", "out/matrix.csv"]
    assert shown.get("errors", []) == []
    assert json.loads(created.dvc("params", "diff", "--json"))["conf/beta/default.yaml"]["more"]["new"] == 1


def test_the_model_can_be_fetched_by_its_name(tmp_path: Path) -> None:
    created = kept(tmp_path / "p")
    created.git("tag", "-a", "model@v1.0.0", "-m", "version 1")
    created.dvc("artifacts", "get", str(created.root), "model", "-o", str(tmp_path / "fetched"))
    assert (tmp_path / "fetched" / "model.onnx").read_text() == "weights"


def test_in_a_folder_of_a_larger_repository(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    project = toys(tmp_path / "ml" / "project")
    (project.root / ".git").rename(tmp_path / "not-this-one")
    assert ran(project.dvc("repro")) == ["first", "second"]
    assert ignored(project.root / "out" / "first")


def ignored(path: Path) -> bool:
    """Whether git keeps that file out."""
    return subprocess.run(["git", "check-ignore", "-q", str(path)], cwd=path.parent).returncode == 0


def test_without_git(tmp_path: Path) -> None:
    project = toys(tmp_path)
    (tmp_path / ".git").rename(tmp_path.parent / f"{tmp_path.name}-git")
    project.write(VALUES, git=False)
    assert ran(project.dvc("repro")) == ["first", "second"]
    assert not (project.root / "out" / ".gitignore").exists()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert ignored(project.root / "out" / "first")  # also for who begins with git only now
    assert not ignored(project.root / "dvc.lock")


def test_what_looks_like_dvcs_templating_is_text(tmp_path: Path) -> None:
    project = toys(tmp_path)
    assert "Make one thing of ${another}" in project.dvc("stage", "list")
