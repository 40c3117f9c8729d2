"""The small registry with the real Docker client."""

from __future__ import annotations

import http.client
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlspec.docker.registry_client import RegistryClient
from mlspec.shipping.rehearsal.processes import RehearsalProcesses, python
from mlspec.shipping.rehearsal.rehearsal import responds


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    home = RehearsalProcesses(tmp_path / "local")
    process = home.start(
        "registry",
        lambda port: python("mlspec.shipping.rehearsal.local_registry", str(port), str(tmp_path / "images")),
        lambda port: responds(f"127.0.0.1:{port}", "/v2/"),
    )
    yield f"127.0.0.1:{process.port}"
    home.end("registry")
    assert not process.alive


def run(docker: str, *arguments: str) -> str:
    done = subprocess.run([docker, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_docker_pushes_it_pulls_again_by_its_digest(docker: str, host: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\nLABEL io.mlspec.release=yes\n")
    tag = f"{host}/team/tiny:v1"
    environment = {"DOCKER_BUILDKIT": "1", "PATH": "/usr/bin:/bin"}
    subprocess.run(
        [docker, "build", "--quiet", "--tag", tag, str(tmp_path)], check=True, capture_output=True, env=environment
    )
    run(docker, "push", tag)
    again = run(docker, "push", tag)
    assert "Layer already exists" in again
    result = RegistryClient(host).manifest("team/tiny", "v1")
    assert result is not None
    assert RegistryClient(host).labels("team/tiny", result.digest) == {"io.mlspec.release": "yes"}
    run(docker, "rmi", tag)
    by_digest = f"{host}/team/tiny@{result.digest}"
    run(docker, "pull", by_digest)
    assert run(docker, "image", "inspect", "--format", "{{.Config.Labels}}", by_digest) == "map[io.mlspec.release:yes]"
    run(docker, "rmi", by_digest)
    assert RegistryClient(host).manifest("team/tiny", "v2") is None


def ask(host: str, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request(method, path, body)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("Location", "")


def test_content_that_is_not_what_its_digest_says_is_refused(host: str) -> None:
    status, where = ask(host, "POST", "/v2/tiny/blobs/uploads/")
    assert status == 202
    assert ask(host, "PUT", f"{where}?digest=sha256:{'0' * 64}", b"content")[0] == 400
    assert ask(host, "PUT", f"{where}?digest=sha256:{'0' * 64}", b"content")[0] == 404
    assert ask(host, "PUT", f"/v2/tiny/manifests/sha256:{'0' * 64}", b"{}")[0] == 400


@pytest.mark.parametrize(
    "path", ["/v2/../etc/passwd", "/v2/tiny/blobs/../../x", "/v2/tiny/manifests/../../x", "/", "/v2/x"]
)
def test_nothing_else_is_served(host: str, path: str) -> None:
    assert ask(host, "GET", path)[0] == 404
