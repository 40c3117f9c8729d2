"""`mlspec lock` with the real uv and a registry on this machine."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlspec.cli.app import main
from mlspec.errors import EXIT_STAGE
from mlspec.parts.test import textattack_environment
from mlspec.run.capabilities import BASE, EXTRAS
from mlspec.source import hash_lock
from tests.conftest import missing
from tests.parts.projects import written
from tests.run.package_index import Wheel, package_index

SPEC = (
    "project: {name: prices}\n"
    "data: {source: d.csv, inputs: {size: number}, target: {column: price, type: number}}\n"
    "model: {type: tabular}\ntrain:\nexport:\n"
    'package: {requirements: {scipy: "1.17.0"}}\n'
    "registry: {ecr: {repository: prices, region: eu-west-1}}\n"
)
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
NAMES = {
    re.split(r"[\[<>=!]", need)[0]
    for need in (*BASE, *EXTRAS["train"], *EXTRAS["aws"], *EXTRAS["s3"], *EXTRAS["monitor"], *EXTRAS["serve"])
} - {
    "omegaconf",
    "hydra-core",
    "ruamel.yaml",
}
WHEELS = [
    *(Wheel(name, "99.1", requires=["leaf"] if name == "torch" else []) for name in sorted(NAMES)),
    Wheel("torch", "99.2", YESTERDAY),
    Wheel("hydra-core", "1.3.8"),
    Wheel("omegaconf", "2.3.1"),
    Wheel("ruamel-yaml", "0.19"),
    *(Wheel(*pin.split("==")) for pin in textattack_environment.PACKAGES),
    Wheel("leaf", "1.0"),
    Wheel("s3fs", "2026.1.0"),
    Wheel("mine", "3.0"),
    Wheel("scipy", "1.17.0"),
    Wheel("scipy", "1.18.0", YESTERDAY),
]


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    if shutil.which("uv") is None:
        missing("uv (pip install 'mlspec[lock]')")
    with package_index(WHEELS) as address:
        yield address


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """uv's cache, shared by the tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(registry: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", registry)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(cache))
    monkeypatch.chdir(tmp_path)
    written(tmp_path, {"mlproject.yaml": SPEC, "d.csv": "size,price\n1,2\n", "requirements.txt": "mine>=2\n"})
    return tmp_path


def digest(name: str, release: str) -> str:
    return next(wheel.sha256 for wheel in WHEELS if (wheel.name, wheel.release) == (name, release))


def test_the_locks_of_a_project(project: Path, registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", "--json"]) == 0
    locks = json.loads(capsys.readouterr().out)["locks"]
    assert [lock["path"] for lock in locks] == [
        "requirements-train.lock",
        "requirements-release.lock",
        "requirements-serve.lock",
    ]
    train, release, serve = ((project / lock["path"]).read_text(encoding="utf-8") for lock in locks)
    assert f"torch==99.1 \\\n    --hash=sha256:{digest('torch', '99.1')}" in train
    assert {"leaf", "mine", "click"} <= set(re.findall(r"(?m)^([a-z-]+)==", train))
    assert "boto3==99.1" in release
    assert "torch" not in release
    assert "mine" not in release
    assert hash_lock.parse(serve) == {"scipy==1.17.0": (digest("scipy", "1.17.0"),)}
    for text in (train, release, serve):
        assert registry not in text
        assert "://" not in text
        assert len(re.findall(r"(?m)^[a-z].*==", text)) == text.count("--hash=")
    assert main(["lock", "--check"]) == 0
    assert main(["build"]) == 0
    requirements = (project / "requirements-serve.txt").read_text(encoding="utf-8")
    assert f"scipy==1.17.0 \\\n    --hash=sha256:{digest('scipy', '1.17.0')}" in requirements


def test_the_locks_of_a_watched_model(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The job that watches installs no torch; the one that trains after an alarm installs both."""
    spec = SPEC.replace("data: {", "data: {remote: s3://b/dvc, collected: more, ").replace(
        "package: {", "package: {docker: {}, "
    )
    more = "deploy: {lambda: {}}\nci: {}\nmonitor: {drift: {}, on_drift: retrain}\n"
    (project / "mlproject.yaml").write_text(spec + more, encoding="utf-8")
    assert main(["lock", "--json"]) == 0, capsys.readouterr()
    paths = [lock["path"] for lock in json.loads(capsys.readouterr().out)["locks"]]
    assert paths[2:4] == ["requirements-monitor.lock", "requirements-retrain.lock"]
    watching, training = ((project / path).read_text(encoding="utf-8") for path in paths[2:4])
    assert "boto3==99.1" in watching
    assert "torch" not in watching
    assert {"boto3", "torch", "mine"} <= set(re.findall(r"(?m)^([a-z0-9-]+)==", training))


def test_an_upgrade_without_the_registry_of_an_image_locks_the_packages_and_fails(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    (project / "mlproject.yaml").write_text(SPEC.replace("package: {", "package: {docker: {}, "), encoding="utf-8")
    assert main(["lock", "--upgrade"]) == EXIT_STAGE
    printed = capsys.readouterr()
    assert "requirements-train.lock: " in printed.out
    assert "then run `mlspec lock --upgrade` again" in printed.err
    assert (project / "requirements-train.lock").is_file()
    assert not (project / "Dockerfile.lock").exists()


def test_the_environment_of_textattack_has_a_lock(project: Path) -> None:
    spec = (
        SPEC.replace("size: number}", "text: text}")
        .replace("type: number", "type: class")
        .replace("tabular", "text-classifier")
    )
    (project / "mlproject.yaml").write_text(f"{spec}test: {{textattack: {{}}}}\n", encoding="utf-8")
    assert main(["lock"]) == 0
    text = (project / textattack_environment.LOCK).read_text(encoding="utf-8")
    assert set(re.findall(r"(?m)^[a-z-]+==[^ ]+", text)) == set(textattack_environment.PACKAGES)
    assert f"--hash=sha256:{digest('textattack', '0.3.11')}" in text
    assert "mine" not in text  # requirements.txt is for mlspec's environment


def test_a_fresh_release_waits(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = project / "mlproject.yaml"
    assert main(["lock"]) == 0
    spec.write_text(f"{SPEC}lock: {{wait: 0s}}\n", encoding="utf-8")
    assert main(["lock", "--check"]) == 0  # an existing lock is kept
    assert main(["lock", "--check", "--upgrade"]) == 1
    assert "torch==99.1" in (project / "requirements-train.lock").read_text(encoding="utf-8")
    assert main(["lock", "--upgrade"]) == 0
    assert "torch==99.2" in (project / "requirements-train.lock").read_text(encoding="utf-8")
    spec.write_text(SPEC.replace("1.17.0", "1.18.0"), encoding="utf-8")
    capsys.readouterr()
    assert main(["lock"]) == 4
    message = capsys.readouterr().err
    assert "cannot lock requirements-" in message
    assert "lock.wait (7d)" in message


def test_without_a_registry(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    assert main(["lock"]) == 4
    assert "check the network" in capsys.readouterr().err
    assert not list(project.glob("*.lock"))


def test_no_address_of_a_registry_whatever_uv_is_set_to(
    project: Path, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_NO_CONFIG")
    (project / "uv.toml").write_text("[pip]\nemit-index-url = true\nemit-index-annotation = true\n", encoding="utf-8")
    assert main(["lock"]) == 0
    for file in project.glob("*.lock"):
        assert registry not in file.read_text(encoding="utf-8")
