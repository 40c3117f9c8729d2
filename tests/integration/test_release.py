"""The release workflow, played here: two jobs in two clones, the second without the packages of the first."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlspec.shipping.rehearsal.processes import RehearsalProcesses
from mlspec.shipping.rehearsal.rehearsal import Rehearsal
from tests.conftest import CHECKOUT
from tests.warm_python import WarmPython

pytestmark = pytest.mark.slow
MLSPEC = (sys.executable, "-m", "mlspec")
SHIPPED = """
registry: {ecr: {repository: penguins, region: eu-west-1}}
package: {docker: {}}
deploy: {lambda: {memory: 512}}
ci: {github: {env: prod}}
environments: {prod: {deploy: {lambda: {memory: 640}}}}
"""
BARE = """\
import importlib.abc, importlib.metadata, sys

GONE = {"dvc", "numpy", "onnx", "onnxruntime", "pyarrow", "pytorch-lightning", "tokenizers", "torch", "transformers"}
version = importlib.metadata.version

def found(name):
    if name in GONE:
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)

class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in GONE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

importlib.metadata.version = found
sys.meta_path.insert(0, Gone())
"""
"""A `sitecustomize` that makes a Python without the packages that train and run models."""


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def commit(tmp_path: Path) -> Iterator[Path]:
    """A repository with a project as its team has committed it, built with no environment chosen."""
    root = tmp_path / "penguins"
    subprocess.run([*MLSPEC, "init", "--template", "tabular", str(root)], check=True, env=variables(tmp_path))
    git(root, "init", "-q")
    with (root / "mlproject.yaml").open("a") as spec:
        spec.write(SHIPPED)
    subprocess.run([*MLSPEC, "build"], cwd=root, check=True, env=variables(tmp_path))
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")
    yield root
    Rehearsal(RehearsalProcesses(tmp_path / "shipped" / ".mlspec" / "local")).stop()


def variables(home: Path, *, bare: bool = False) -> dict[str, str]:
    """A runner's environment; the account is a rehearsal. `pip` is not asked: what is to be installed is here."""
    tools = home / "bin"
    if not tools.is_dir():
        tools.mkdir()
        (tools / "mlspec").write_text(f'#!/bin/sh\nexec {sys.executable} -m mlspec "$@"\n')
        (tools / "mlspec").chmod(0o755)
        (home / "bare").mkdir()
        (home / "bare" / "sitecustomize.py").write_text(BARE)
    return os.environ | {
        "PATH": f"{tools}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([*([str(home / "bare")] if bare else []), str(CHECKOUT)]),
        "MLSPEC_TARGET": "local",
        "GITHUB_STEP_SUMMARY": str(home / "summary.md"),
    }


FROM_AFAR = {"Install", "Install the Lambda runtime interface emulator"}
"""Steps that fetch what is here already."""


def play(job: Mapping[str, Any], folder: Path, environment: Mapping[str, str]) -> str:
    """Run every step of the job that is a script; gives what they printed."""
    said = ""
    for step in job["steps"]:
        if "run" not in step or step["name"] in FROM_AFAR:
            continue
        own = {name: value for name, value in step.get("env", {}).items() if "${{" not in value}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(
            command, cwd=folder, env={**environment, **own}, stdout=-1, stderr=subprocess.STDOUT, text=True
        )
        said += done.stdout
        assert done.returncode == 0, (step["name"], done.stdout[-3000:])
    return said


def test_a_tag_is_built_tried_pushed_and_deployed(commit: Path, tmp_path: Path, docker: str, warm: WarmPython) -> None:
    assert docker
    jobs = yaml.safe_load((commit / ".github/workflows/mlspec-release.yaml").read_text())["jobs"]
    built, shipped = tmp_path / "built", tmp_path / "shipped"
    for clone in (built, shipped):
        git(tmp_path, "clone", "-q", str(commit), str(clone))
    play(jobs["build"], built, warm.variables(variables(tmp_path)) | {"MLSPEC_TARGET": "aws"})

    (upload,) = [step["with"] for step in jobs["build"]["steps"] if "upload-artifact" in step.get("uses", "")]
    (download,) = [step["with"] for step in jobs["ship"]["steps"] if "download-artifact" in step.get("uses", "")]
    assert upload["name"] == download["name"]
    (shipped / download["path"]).mkdir()
    for path in upload["path"].split():
        shutil.copy(built / path, shipped / download["path"])
    said = play(jobs["ship"], shipped, variables(tmp_path, bare=True))

    assert "penguins-prod:live is version 1" in said
    release = json.loads((shipped / "artifacts" / "release.local.json").read_text())
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=commit, capture_output=True, text=True, check=True)
    assert release["release"]["commit"] == head.stdout.strip()  # and not dirty, though `prod` rendered files anew
    assert json.loads((shipped / "lambda" / "function.json").read_text())["MemorySize"] == 640
    assert "1  live" in (tmp_path / "summary.md").read_text()
    row = json.loads((shipped / "artifacts" / "image.json").read_text())["proof"]["examples"][0]
    asked = urllib.request.Request(
        release["function"]["url"] + "/predict", json.dumps(row["row"]).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert json.loads(answer.read())["label"] == row["answer"]["label"]
