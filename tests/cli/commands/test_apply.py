"""`mlspec apply` on a project whose function reads what the spec does not name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo

from mlspec.cli.app import main
from mlspec.compiler import compile_project
from mlspec.dvc.staleness import reasons
from mlspec.dvc.tree import Tree
from tests.parts.projects import written

SPEC = """\
project: {name: reads}
data:
  source: src.rows:load
  inputs: {size: number}
  target: {column: price, type: number}
model: {type: tabular}
train: {max_epochs: 1}
"""
ROWS = """\
from pathlib import Path

def load():
    factor = float(Path("data/factor.txt").read_text())
    return [{"size": n, "price": n * factor} for n in range(40)]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {"mlproject.yaml": SPEC, "src/__init__.py": "", "src/rows.py": ROWS, "data/factor.txt": "2"}
    root = written(tmp_path / "p", dict(files)).root
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    return root


def stale(root: Path) -> set[str]:
    """What `plan` would run now, without a build in between. DVC agrees."""
    stages = compile_project(root / "mlproject.yaml").plan.stages
    actual = {name for name, why in reasons(stages, Tree(root)).items() if why}
    with Repo(str(root)) as repo:
        assert {name.rpartition(":")[2] for name in repo.status() if not name.endswith(".dvc")} == actual
    return actual


@pytest.mark.slow
def test_what_a_stage_opened_is_an_input_as_soon_as_apply_is_done(project: Path) -> None:
    assert main(["apply", "--yes", "--until", "data", "--spec", str(project / "mlproject.yaml")]) == 0
    assert (project / "reads.lock").is_file(), "the process of the stage did not watch what it opened"
    assert "data data/factor.txt" in (project / "reads.lock").read_text().splitlines()
    assert "- data/factor.txt" in (project / "dvc.yaml").read_text(), "apply did not build again at its end"
    assert stale(project) == {"train"}
    (project / "data" / "factor.txt").write_text("3")
    assert stale(project) == {"data", "train"}
