"""A project's folder that was copied: building the copy leaves the files of the first alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlspec.cli.app import main
from tests.parts.targets import BASE


def test_a_renamed_copy_leaves_the_workflows_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    (one / "mlproject.yaml").write_text(BASE + "ci:\n")
    monkeypatch.chdir(one)
    assert main(["build"]) == 0
    shutil.copytree(one, two)
    workflows = tmp_path / ".github" / "workflows"
    before = {file.name: file.read_bytes() for file in workflows.iterdir()}
    assert set(before) == {"mlspec-cola-test.yaml", "mlspec-cola-train.yaml"}
    monkeypatch.chdir(two)
    assert main(["build"]) == 1
    (two / "mlproject.yaml").write_text(BASE.replace("name: cola", "name: mood") + "ci:\n")
    assert main(["build"]) == 0
    assert {name: (workflows / name).read_bytes() for name in before} == before
    assert (workflows / "mlspec-mood-test.yaml").is_file()
    (two / "mlproject.yaml").write_text(BASE)
    assert main(["build"]) == 0
    assert {name: (workflows / name).read_bytes() for name in before} == before
    assert not (workflows / "mlspec-mood-test.yaml").exists()
    monkeypatch.chdir(one)
    assert main(["build", "--check"]) == 0
