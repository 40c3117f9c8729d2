"""The DVC remote of a DagsHub repository: real pushes and pulls, to an S3 on this machine in place of DagsHub's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlspec.run.machine_checks import examine, fixes
from tests.parts import targets
from tests.run.engines.lines import VALUES, Toys, toys

pytestmark = pytest.mark.slow
TOKEN = "0badc0de0badc0de"
BASE = targets.BASE.replace("data:\n", "data:\n  remote: dagshub://ada/cola\n")


@pytest.fixture
def storage(moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an S3 with the bucket `dvc`. This machine has no credentials of its own."""
    import boto3

    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    client: Any = boto3.client("s3", endpoint_url=moto, **keys)
    client.create_bucket(Bucket="dvc")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    return moto


def login(project: Toys, storage: str) -> None:
    """What `mlspec doctor` prints, and the endpoint of the stand-in."""
    project.dvc("remote", "modify", "--local", "mlspec", "access_key_id", TOKEN)
    project.dvc("remote", "modify", "--local", "mlspec", "secret_access_key", TOKEN)
    project.dvc("remote", "modify", "--local", "mlspec", "endpointurl", storage)


def test_what_is_pushed_is_pulled_in_a_clone(storage: str, tmp_path: Path) -> None:
    project = toys(tmp_path / "origin")
    project.write(VALUES, remote="dagshub://ada/mood")
    config = (project.root / ".dvc" / "config").read_text(encoding="utf-8")
    assert "url = s3://dvc\n    endpointurl = https://dagshub.com/ada/mood.s3\n" in config
    project.dvc("add", "-q", "raw")
    project.dvc("repro")
    project.git("add", ".")
    project.git("commit", "-qm", "one")
    project.dvc("remote", "modify", "--local", "mlspec", "endpointurl", storage)
    with pytest.raises((subprocess.CalledProcessError, AssertionError)):
        project.dvc("push")  # without credentials
    login(project, storage)
    project.dvc("push")
    assert project.git("status", "--porcelain") == "", "the credentials are in a file that git ignores"
    assert TOKEN not in project.git("grep", "-I", "-e", "", "HEAD")
    subprocess.run(["git", "clone", "-q", str(project.root), str(tmp_path / "clone")], check=True)
    clone = Toys(tmp_path / "clone")
    shutil.rmtree(project.root / ".dvc" / "cache")
    login(clone, storage)
    clone.dvc("pull")
    assert (clone.root / "raw" / "a.txt").read_text() == "a"
    assert (clone.root / "out" / "folder" / "a").read_text() == "a"


def test_doctor_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSHUB_USER_TOKEN", raising=False)
    build = targets.build(tmp_path, "", BASE)
    checks = examine(tmp_path, build.project, build.plan)
    by_name = {check.capability.name: check for check in checks}
    assert by_name["dvc-s3"].required
    assert by_name["env:DAGSHUB_USER_TOKEN"].fault
    assert by_name["dvc remote login"].fault
    commands = by_name["dvc remote login"].capability.fix
    assert 'dvc remote modify --local mlspec access_key_id "$DAGSHUB_USER_TOKEN"' in commands
    assert fixes(checks)[-2:] == ["export DAGSHUB_USER_TOKEN=...", commands], "the second reads the first"
    targets.write(tmp_path, "", BASE)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    monkeypatch.setenv("DAGSHUB_USER_TOKEN", TOKEN)
    subprocess.run(commands.replace("dvc ", "python -m dvc "), shell=True, cwd=tmp_path, check=True)
    checks = examine(tmp_path, build.project, build.plan)
    (after,) = (check for check in checks if check.capability.name == "dvc remote login")
    assert not after.fault
    assert TOKEN not in str([check.to_json() for check in checks])
