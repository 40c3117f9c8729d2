"""The lock of the Serverless Framework with the real npm and a registry on this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlspec.errors import StageError
from mlspec.run.npm_resolution import resolved
from mlspec.source import npm_lock
from tests.conftest import missing
from tests.run.npm_registry import NpmRelease, npm_registry

NOW = datetime.now(UTC)
YESTERDAY = (NOW - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
WEEK = NOW - timedelta(days=7)
RELEASES = [
    NpmRelease("tool", "1.0.0", requires={"leaf": "^2.0.0"}),
    NpmRelease("tool", "1.1.0", YESTERDAY, requires={"leaf": "^2.0.0"}),
    NpmRelease("leaf", "2.0.0"),
    NpmRelease("leaf", "2.0.1", YESTERDAY),
]
pytestmark = pytest.mark.node


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    if shutil.which("npm") is None:
        missing("npm")
    with npm_registry(RELEASES) as (address, archives):
        settings = {"registry": f"{address}/", "cache": str(tmp_path / "cache"), "userconfig": str(tmp_path / "npmrc")}
        for name, value in {**settings, "fetch_retries": "0", "update_notifier": "false"}.items():
            monkeypatch.setenv(f"npm_config_{name}", value)
        yield archives


def lock(root: Path, text: str, requirement: str) -> Path:
    """The folder of the lock, as it is committed."""
    folder = root / npm_lock.FOLDER
    folder.mkdir(exist_ok=True)
    name, _, release = requirement.rpartition("@")
    (folder / "package.json").write_text(npm_lock.package_json(name, release), encoding="utf-8")
    (folder / "package-lock.json").write_text(text, encoding="utf-8")
    return folder


def install(folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["npm", "ci", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund"]
    return subprocess.run(command, capture_output=True, text=True)


def test_npm_installs_what_the_lock_has_and_verifies_it(tmp_path: Path, archives: dict[str, bytes]) -> None:
    text = resolved(tmp_path, "tool@1.0.0", WEEK, upgrade=False)
    parsed = npm_lock.parse(text)
    assert set(parsed.packages) == {"tool@1.0.0", "leaf@2.0.0"}, "a release that is too young is not chosen"
    assert parsed.fault("tool@1.0.0") == ""
    assert "127.0.0.1" not in text
    folder = lock(tmp_path, text, "tool@1.0.0")
    done = install(folder)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "node_modules" / "leaf" / "package.json").read_text())["version"] == "2.0.0"
    archives["/leaf/-/leaf-2.0.0.tgz"] = NpmRelease("leaf", "2.0.0", requires={"evil": "1.0.0"}).content
    shutil.rmtree(tmp_path / "cache")
    done = install(folder)
    assert done.returncode != 0
    assert "EINTEGRITY" in done.stderr
    stale = install(lock(tmp_path, text, "tool@1.1.0"))
    assert stale.returncode != 0
    assert (
        parsed.fault("tool@1.1.0") == "serverless/package-lock.json is for tool 1.0.0, and package.json asks for 1.1.0"
    )


def test_a_lock_is_kept_until_it_is_upgraded(tmp_path: Path, archives: dict[str, bytes]) -> None:
    assert archives
    lock(tmp_path, text := resolved(tmp_path, "tool@1.0.0", WEEK, upgrade=False), "tool@1.0.0")
    assert resolved(tmp_path, "tool@1.0.0", None, upgrade=False) == text
    upgraded = resolved(tmp_path, "tool@1.0.0", None, upgrade=True)
    assert set(npm_lock.parse(upgraded).packages) == {"tool@1.0.0", "leaf@2.0.1"}


def test_what_cannot_be_resolved_is_reported(
    tmp_path: Path, archives: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert archives
    with pytest.raises(StageError, match=r"No matching version found for tool@1\.1\.0") as young:
        resolved(tmp_path, "tool@1.1.0", WEEK, upgrade=False)
    assert "lock.wait" in young.value.help
    with pytest.raises(StageError, match="npm is not installed"):
        resolved(tmp_path, "tool@1.0.0", WEEK, upgrade=False, npm="no-such-npm")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    with pytest.raises(StageError, match=r"cannot lock serverless/package-lock\.json") as offline:
        resolved(tmp_path, "tool@1.0.0", WEEK, upgrade=True)
    assert "check the network" in offline.value.help
