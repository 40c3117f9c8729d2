"""Steps of the release workflow that warn, run by bash: a missing lock, and a base image that is not pinned in git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlspec.source import dockerfile_lock
from mlspec.source.dockerfile_lock import PinnedBase
from tests.parts.targets import LAMBDA, files

ZIP = "train: {}\nexport: {onnx: {}}\npackage: {zip: {}}\ndeploy: {lambda: {region: eu-west-1}}\n"
CI = "ci: {github: {}}\n"
PROGRAM = "#!/bin/sh\nexit 0\n"


def script(workflow: str, job: str, name: str) -> str:
    """What a step of that name runs; "" where the job has none."""
    steps: list[dict[str, Any]] = yaml.safe_load(workflow)["jobs"][job]["steps"]
    return next((str(step["run"]) for step in steps if step.get("name") == name), "")


def run(text: str, folder: Path) -> str:
    """The output of a step, with a program `python` that installs nothing."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "python").write_text(PROGRAM, encoding="utf-8")
    (programs / "python").chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PACKAGES": "mlspec"}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("job", ["ship", "rollback"])
@pytest.mark.parametrize("locked", [True, False])
def test_a_job_that_releases_warns_without_its_lock(tmp_path: Path, job: str, locked: bool) -> None:
    install = script(files(tmp_path, LAMBDA + CI)[".github/workflows/mlspec-release.yaml"], job, "Install")
    if locked:
        (tmp_path / "requirements-release.lock").touch()
    output = run(install, tmp_path)
    assert ("::warning::requirements-release.lock is missing" in output) == (not locked)
    assert ("mlspec lock" in output) == (not locked)


@pytest.mark.parametrize("state", ["committed", "new", "changed", "absent"])
def test_a_base_image_that_is_not_pinned_in_git_is_a_warning(tmp_path: Path, state: str) -> None:
    name = "Check that the base image is pinned in the repository"
    check = script(files(tmp_path, LAMBDA + CI)[".github/workflows/mlspec-release.yaml"], "build", name)
    lock, digest = tmp_path / dockerfile_lock.FILE, "sha256:" + "1" * 64
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    if state in ("committed", "changed"):
        old = digest if state == "committed" else "sha256:" + "0" * 64
        lock.write_text(dockerfile_lock.dump({"python:3.11": PinnedBase(old)}), encoding="utf-8")
        subprocess.run([*git, "add", lock.name], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", "lock"], check=True)
    if state in ("new", "changed"):
        bases = {"python:3.11": PinnedBase(digest), "node:22": PinnedBase(digest, "2026-11-29")}
        lock.write_text(dockerfile_lock.dump(bases), encoding="utf-8")
    output = run(check, tmp_path)
    warned = state in ("new", "changed")
    assert ("::warning::Dockerfile.lock" in output) == warned
    assert (f"node:22@{digest} # 2026-11-29%0Apython:3.11@{digest}\n" in output) == warned


def test_a_zip_has_no_base_image_and_its_emulator_runs_on_the_runner(tmp_path: Path) -> None:
    release = files(tmp_path, ZIP + CI)[".github/workflows/mlspec-release.yaml"]
    assert script(release, "build", "Check that the base image is pinned in the repository") == ""
    assert "without a network" not in release
    assert "on this runner" in release


@pytest.mark.parametrize("locked", [True, False])
def test_the_framework_is_installed_from_its_lock(tmp_path: Path, locked: bool) -> None:
    text = LAMBDA.replace("{lambda: {}}", "{iac: serverless, lambda: {}}") + CI
    generated = files(tmp_path, text)[".github/workflows/mlspec-release.yaml"]
    install = script(generated, "ship", "Install the Serverless Framework")
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text('#!/bin/sh\necho "npm $@"\n', encoding="utf-8")
    npm.chmod(0o755)
    if locked:
        (tmp_path / "serverless").mkdir()
        (tmp_path / "serverless" / "package-lock.json").touch()
    output = run(f'export PATH="$PWD/bin:$PATH" GITHUB_PATH="$PWD/path"\n{install}', tmp_path)
    assert ("npm ci --prefix serverless --ignore-scripts" in output) == locked
    assert ("npm install --global --ignore-scripts osls@" in output) == ("::warning::" in output) == (not locked)
    if locked:
        assert (tmp_path / "path").read_text(encoding="utf-8") == f"{tmp_path}/serverless/node_modules/.bin\n"
