from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.docker.container import _response
from mlspec.docker.docker_engine import Client, failure
from mlspec.errors import StageError
from mlspec.parts.package.base_image import pin
from mlspec.parts.package.image_check import INDEXES, _architecture, _kind, _size
from mlspec.sections.package import DockerImage

DIGEST = "sha256:" + "1" * 64


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", "not answer"),
        ("error during connect: Get http://127.0.0.1:1/v1.41/info: dial tcp 127.0.0.1:1", "not answer"),
        ("#7 1.2 working\nunexpected EOF", "stopped in the middle"),
        ('error reading from server: EOF', "stopped in the middle"),
        ("failed to solve: rpc error: code = Unavailable desc = transport is closing", "stopped in the middle"),
        ("failed to copy: write /var/lib/docker/tmp/x: no space left on device", "disk is full"),
        ("Got permission denied while trying to connect to the Docker daemon socket", "may not use"),
        ("failed to solve: python:3.99: failed to resolve source metadata for docker.io/library/python:3.99", "no such base"),
        ("Error response from daemon: manifest for python:3.99 not found: manifest unknown", "no such base"),
        ("Error response from daemon: pull access denied for x, repository does not exist", "no such base"),
        ("Get https://registry-1.docker.io/v2/: dial tcp: lookup registry-1.docker.io: no such host", "no way to the network"),
        ("ERROR: No matching distribution found for onnxruntime==1.32.0", "no wheel"),
        ("#9 exec /bin/sh: exec format error", "cannot run that processor"),
        ("Unable to find image 'q:1' locally\ndocker: Error response from daemon: odd", "daemon: odd"),
        ("", "it said nothing"),
    ],
)  # fmt: skip
def test_what_docker_says_becomes_a_sentence_with_the_next_step(said: str, meaning: str) -> None:
    found = failure("docker build failed", said)
    assert meaning in found.message
    assert found.message.startswith("docker build failed: ")
    assert found.help


def test_a_long_line_is_cut() -> None:
    assert len(failure("it failed", "x" * 10_000).message) < 400


@pytest.mark.parametrize("kind", INDEXES)
def test_an_index_of_images_is_refused(kind: str) -> None:
    with pytest.raises(StageError, match=r"index of several, which Lambda refuses"):
        _kind({"Descriptor": {"mediaType": kind}})


def test_a_single_image_passes() -> None:
    manifest = "application/vnd.oci.image.manifest.v1+json"
    assert _kind({"Descriptor": {"mediaType": manifest}}) == manifest
    assert _kind({}) == "single"


def test_another_processor_and_too_many_bytes_are_refused_with_their_numbers() -> None:
    with pytest.raises(StageError, match=r"the image is for arm64, and package.docker.platform is linux/amd64"):
        _architecture({"Architecture": "arm64"}, DockerImage())
    with pytest.raises(StageError, match=r"the image has 501 MB, and package.docker.max_size is 500MB"):
        _size({"Size": 501_000_000}, DockerImage(max_size="500MB"))


def test_an_answer_of_the_container_is_read() -> None:
    body = json.dumps([{"label": "é"}])
    text = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}"
    assert _response(text) == (200, [{"label": "é"}])
    assert _response("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") == (502, None)
    with pytest.raises(StageError, match=r"what is not HTTP with JSON"):
        _response("SSH-2.0\r\n")


def fake(folder: Path, known: str, *, pull: int) -> Client:
    """A docker that knows the RepoDigests `known` of every image, and whose pull ends with `pull`."""
    program = folder / "docker"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/asked\ncase "$1" in\n'
        f"  image) echo '{known}';;\n  pull) echo 'manifest unknown' >&2; exit {pull};;\nesac\n"
    )
    program.chmod(0o755)
    return Client(str(program), False)


DOCKERFILE = "FROM python:3.11 AS a\nRUN x\nFROM python:3.11 AS b\n"


@pytest.mark.parametrize(
    ("known", "base"),
    [
        (f"python@{DIGEST}", "python:3.11"),
        (f"other@sha256:{'2' * 64} docker.io/library/python@{DIGEST}", "python:3.11"),
        (f"127.0.0.1:5000/team/base@{DIGEST}", "127.0.0.1:5000/team/base:1"),
        (f"127.0.0.1:5000/base@{DIGEST}", "127.0.0.1:5000/base"),
    ],
)
def test_the_digest_is_that_of_the_same_repository(known: str, base: str, tmp_path: Path) -> None:
    text = DOCKERFILE.replace("python:3.11", base)
    made, stood = pin(fake(tmp_path, known, pull=0), tmp_path, text, base, "linux/amd64")
    assert stood == f"{base}@{DIGEST}"
    assert made.count(f"FROM {base}@{DIGEST} AS") == 2
    assert (tmp_path / "Dockerfile.lock").read_text().endswith(f"\n{base}@{DIGEST}\n")


def test_without_a_network_the_image_that_is_here_gives_the_digest(tmp_path: Path) -> None:
    docker = fake(tmp_path, f"python@{DIGEST}", pull=1)
    assert pin(docker, tmp_path, DOCKERFILE, "python:3.11", "linux/amd64")[1] == f"python:3.11@{DIGEST}"


def test_an_image_made_here_has_no_digest_and_nothing_is_pulled(tmp_path: Path) -> None:
    docker = fake(tmp_path, "", pull=1)
    assert pin(docker, tmp_path, DOCKERFILE, "python:3.11", "linux/amd64") == (DOCKERFILE, "python:3.11")
    assert "pull" not in (tmp_path / "asked").read_text()
    assert not (tmp_path / "Dockerfile.lock").exists()


def test_a_dockerfile_that_is_pinned_already_asks_nobody(tmp_path: Path) -> None:
    text = DOCKERFILE.replace("python:3.11", f"python:3.11@{DIGEST}")
    docker = fake(tmp_path, "", pull=1)
    assert pin(docker, tmp_path, text, "python:3.11", "linux/amd64") == (text, f"python:3.11@{DIGEST}")
    assert not (tmp_path / "asked").exists()


def test_other_lines_of_the_lock_stay(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile.lock").write_text(f"debian:12@{DIGEST}\n")
    pin(fake(tmp_path, f"python@{DIGEST}", pull=0), tmp_path, DOCKERFILE, "python:3.11", "linux/amd64")
    assert f"debian:12@{DIGEST}" in (tmp_path / "Dockerfile.lock").read_text()
