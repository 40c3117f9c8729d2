"""The release workflow, executed by act: Docker is real, and the second job is without the packages of the first."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlspec.shipping.rehearsal.processes import RehearsalProcesses
from mlspec.shipping.rehearsal.rehearsal import Rehearsal
from tests.bare_jobs import bare_jobs
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
RELEASE = ".github/workflows/mlspec-release.yaml"
KEEP = """\
if [ -f artifacts/release.local.json ]; then cp artifacts/release.local.json artifacts/release.json; fi
if [ "$1" = releases ]; then cp -r .mlspec/local artifacts lambda "{kept}"; fi
"""
"""What a release leaves. The rehearsed account has a record of its own, and the workflow reads that of the real one."""
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
def penguins(tmp_path: Path, warm: WarmPython, bare: WarmPython, docker: str) -> Iterator[Workflows]:
    """A repository with a project as its team has committed it, built with no environment chosen."""
    act_program()
    root, folder = tmp_path / "penguins", tmp_path / "run"
    kept = folder / "left"
    kept.mkdir(parents=True)
    real_programs(folder / "bin", warm, {"aws": "echo password\n"})
    bare_jobs(folder, warm.python, bare, KEEP.format(kept=kept), {"MLSPEC_TARGET": "local"})
    write_program(folder / "bin" / "docker", DOCKER.format(docker=docker, emulator=emulator()))
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


def attested(penguins: Workflows, image: dict[str, str]) -> None:
    """What is attested, and verified before the deployment, is the image that the registry has."""
    name = f"{image['repository']}@{image['digest']}"
    host, _, repository = image["repository"].partition("/")
    request = urllib.request.Request(f"http://{host}/v2/{repository}/manifests/{image['digest']}", method="HEAD")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.headers["Docker-Content-Digest"] == image["digest"]
    *calls, verified = [call for call in penguins.calls if call.split()[0] in ("attest", "gh", "aws")]
    assert calls == [
        f"attest {name} ",
        f"attest {name} artifacts/sbom.json",
        "aws ecr get-login-password --region eu-west-1",
    ]
    assert verified.startswith(f"gh attestation verify oci://{name} --repo ")
    assert verified.endswith(f" --source-digest {git(penguins.root, 'rev-parse', 'HEAD').strip()}")


def test_a_tag_is_built_tested_pushed_and_deployed(penguins: Workflows) -> None:
    result = penguins.run(RELEASE, "push", ref="refs/tags/v1.0.0", repository={"private": False})
    assert result.code == 0, result
    assert result.jobs == {"build": "success", "ship": "success"}
    assert "penguins-prod:live is version 1" in result.text
    assert "1  live" in result.summary["ship"]
    left = penguins.folder / "left"
    release = json.loads((left / "artifacts" / "release.local.json").read_text())
    # Not dirty, although `prod` rendered files anew.
    assert release["release"]["commit"] == git(penguins.root, "rev-parse", "HEAD").strip()
    attested(penguins, release["image"])
    assert json.loads((left / "lambda" / "function.json").read_text())["MemorySize"] == 640
    row = json.loads((left / "artifacts" / "image.json").read_text())["proof"]["examples"][0]
    request = urllib.request.Request(
        release["function"]["url"] + "/predict", json.dumps(row["row"]).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.loads(answer.read())["label"] == row["answer"]["label"]
