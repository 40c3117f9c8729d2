"""The workflows of starters, executed by act with the real tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sharing import once, shared_folder
from tests.warm_python import WarmPython
from tests.workflow_runner import Workflows, act_program, git, real_programs, step_name

pytestmark = pytest.mark.slow
TEST = ".github/workflows/mlspec-test.yaml"


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory, warm: WarmPython) -> Callable[[str, str], Path]:
    """A starter with more sections in its spec, built; once for all tests."""

    def create(folder: Path, template: str, more: str) -> None:
        mlspec, root = str(warm.bin / "mlspec"), folder / template
        subprocess.run([mlspec, "init", template, "--template", template], cwd=folder, check=True, capture_output=True)
        with (root / "mlproject.yaml").open("a", encoding="utf-8") as spec:
            spec.write(more)
        git(root, "init", "-q", "-b", "main")
        subprocess.run([mlspec, "build"], cwd=root, check=True, capture_output=True)

    def get(template: str, more: str) -> Path:
        folder = shared_folder(tmp_path_factory, f"workflows-{template}-{zlib.crc32(more.encode())}")
        return once(folder, lambda folder: create(folder, template, more)) / template

    return get


@pytest.fixture
def repository(_built: Callable[[str, str], Path], warm: WarmPython, tmp_path: Path) -> Callable[..., Workflows]:
    """A repository with a starter as its first commit has it, and the real programs."""
    act_program()

    def get(template: str, more: str = "\nci:\n") -> Workflows:
        root, folder = tmp_path / template, tmp_path / "run"
        shutil.copytree(_built(template, more), root)
        real_programs(folder / "bin", warm, {})
        variables = {"PYTHONPATH": warm.variables({"PATH": ""})["PYTHONPATH"], "OMP_NUM_THREADS": "1"}
        return Workflows(root, folder, variables)

    return get


def test_the_test_workflow_trains_and_tests(repository: Callable[..., Workflows]) -> None:
    digits = repository("digits")
    digits.commit()
    result = digits.run(TEST, "push")
    assert result.code == 0, result
    assert result.jobs == {"test": "success"}
    assert set(result.steps["test"]) == {step_name(step) for step in digits.jobs(TEST)["test"]["steps"]}
    assert set(result.steps["test"].values()) == {"success"}
    (passed, failed, skipped) = result.summary["test"].splitlines()[2].strip("| ").split(" | ")
    assert int(passed) > 20
    assert (failed, skipped) == ("0", "1")
    assert digits.calls == [
        "mlspec build --check",
        "mlspec run data",
        "mlspec run train train.max_steps=2",
        "mlspec run export",
    ]


RUFF = "[lint]\nselect = ['F']\n"


def test_a_bug_in_the_users_code_turns_the_test_workflow_red(repository: Callable[..., Workflows]) -> None:
    custom = repository("custom")
    (custom.root / "ruff.toml").write_text(RUFF)
    model = custom.root / "src" / "model.py"
    right = model.read_text()
    model.write_text(right.replace("categories[:, 0]", "categories[:1, 0].expand(len(numbers))"))
    custom.commit()
    result = custom.run(TEST, "pull_request")
    assert result.code == 1, result
    assert result.jobs == {"test": "failure"}
    wrong = {name for name, outcome in result.steps["test"].items() if outcome == "failure"}
    assert wrong == {"Run tests"}, result
    assert "test_outputs_do_not_depend_on_the_batch" in result.text
    assert result.steps["test"]["Report test results"] == "success"  # although the tests failed

    model.write_text(right.replace("import torch\n", "import torch\nimport os\n", 1))
    custom.commit()
    result = custom.run(TEST, "pull_request")
    assert result.steps["test"]["Lint"] == "failure", result
    assert "`os` imported but unused" in result.text
    assert "Run tests" not in result.steps["test"]


def test_a_test_workflow_in_which_nothing_was_tested_is_red(repository: Callable[..., Workflows]) -> None:
    untracked = repository("tabular", "\nci:\n")
    spec = untracked.root / "mlproject.yaml"
    spec.write_text(spec.read_text().replace("  track: git ", "  track: dvc "))
    subprocess.run(
        [untracked.folder / "bin" / "mlspec", "build"],
        cwd=untracked.root,
        env=os.environ | untracked.variables | {"CALLS": os.devnull},
        check=True,
    )
    untracked.commit()
    result = untracked.run(TEST, "push")
    assert result.code == 1, result
    assert result.steps["test"]["Run tests"] == "success"
    assert result.steps["test"]["Report test results"] == "failure"
    assert [text.partition(":")[0] for text in result.annotations] == ["No test ran"]
    assert "artifacts/data/schema.json does not exist: run mlspec apply" in result.summary["test"]
