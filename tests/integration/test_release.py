"""The release workflow, executed by act: Docker is real, and the second job is without the packages of the first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlspec.shipping.rehearsal.processes import RehearsalProcesses
from mlspec.shipping.rehearsal.rehearsal import Rehearsal
from tests.conftest import CHECKOUT, missing
from tests.warm_python import WarmPython
from tests.workflow_examples import without_tests
from tests.workflow_runner import Workflows, act_program, git, real_programs, write_program

pytestmark = pytest.mark.slow
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


RELEASE = ".github/workflows/mlspec-release.yaml"
PYTHON = """\
#!/bin/bash
if [ "$1 $2" = "-m pip" ]; then
  case "$PACKAGES" in
    "mlspec[aws]"*)
      echo "PYTHONPATH={bare}:{checkout}" >> "$GITHUB_ENV"
      echo "MLSPEC_TARGET=local" >> "$GITHUB_ENV"
      echo "{bare}/bin" >> "$GITHUB_PATH"
      ;;
  esac
  exit 0
fi
exec {python} "$@"
"""
"""The job that installs `mlspec[aws]` alone has no more than that, and a rehearsal for an account."""
MLSPEC = """\
#!/bin/bash
code=0
{python} -m mlspec "$@" || code=$?
if [ "$1" = releases ]; then cp -r .mlspec/local artifacts lambda "{kept}"; fi
exit $code
"""
"""Also keeps what a release leaves: act removes a job's folder."""
DOCKER = """\
#!/bin/bash
case "$1 $2" in
  "create public.ecr.aws/"*) echo emulator ;;
  "cp emulator:"*) cp "{emulator}" "$3" ;;
  "rm emulator") ;;
  *) exec {docker} "$@" ;;
esac
"""
"""Docker, and AWS's image with the emulator in it."""


@pytest.fixture
def penguins(tmp_path: Path, warm: WarmPython, docker: str) -> Iterator[Workflows]:
    """A repository with a project as its team has committed it, built with no environment chosen."""
    act_program()
    root, folder = tmp_path / "penguins", tmp_path / "run"
    bare, kept = folder / "bare", folder / "left"
    kept.mkdir(parents=True)
    real_programs(folder / "bin", warm, {})
    write_program(folder / "bin" / "python", PYTHON.format(bare=bare, checkout=CHECKOUT, python=warm.python))
    write_program(folder / "bin" / "docker", DOCKER.format(docker=docker, emulator=emulator()))
    write_program(bare / "bin" / "mlspec", MLSPEC.format(python=sys.executable, kept=kept))
    (bare / "sitecustomize.py").write_text(BARE)
    mlspec = str(warm.bin / "mlspec")
    subprocess.run([mlspec, "init", "--template", "tabular", str(root)], check=True)
    without_tests(root)
    with (root / "mlproject.yaml").open("a") as spec:
        spec.write(SHIPPED)
    git(root, "init", "-q", "-b", "main")
    subprocess.run([mlspec, "build"], cwd=root, check=True)
    repository = Workflows(root, folder, {"PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"})
    repository.commit()
    yield repository
    Rehearsal(RehearsalProcesses(kept / "local")).stop()


def emulator() -> str:
    """AWS's Lambda emulator on this machine."""
    path = os.environ.get("MLSPEC_LAMBDA_EMULATOR", "")
    if not path:
        missing("the Lambda emulator (MLSPEC_LAMBDA_EMULATOR)")
    return path


def test_a_tag_is_built_tested_pushed_and_deployed(penguins: Workflows) -> None:
    result = penguins.run(RELEASE, "push", ref="refs/tags/v1.0.0", repository={"private": True})
    assert result.code == 0, result
    assert result.jobs == {"build": "success", "ship": "success"}
    assert "Attest the origin of the image" not in result.steps["ship"], "private repositories have no attestations"
    assert "penguins-prod:live is version 1" in result.text
    assert "1  live" in result.summary["ship"]
    left = penguins.folder / "left"
    release = json.loads((left / "artifacts" / "release.local.json").read_text())
    # Not dirty, although `prod` rendered files anew.
    assert release["release"]["commit"] == git(penguins.root, "rev-parse", "HEAD").strip()
    assert json.loads((left / "lambda" / "function.json").read_text())["MemorySize"] == 640
    row = json.loads((left / "artifacts" / "image.json").read_text())["proof"]["examples"][0]
    request = urllib.request.Request(
        release["function"]["url"] + "/predict", json.dumps(row["row"]).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.loads(answer.read())["label"] == row["answer"]["label"]
