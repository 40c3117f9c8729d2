from __future__ import annotations

import pytest

from mlspec.docker.failures import failure


@pytest.mark.parametrize(
    ("output", "meaning"),
    [
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", "not answer"),
        ("error during connect: Get http://127.0.0.1:1/v1.41/info: dial tcp 127.0.0.1:1", "not answer"),
        ("#7 1.2 working\nunexpected EOF", "stopped during the command"),
        ('error reading from server: EOF', "stopped during the command"),
        ("failed to solve: rpc error: code = Unavailable desc = transport is closing", "stopped during the command"),
        ("failed to copy: write /var/lib/docker/tmp/x: no space left on device", "disk of the Docker engine is full"),
        ("permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: "
         "Get http://x/v1.24/info: dial unix /var/run/docker.sock: connect: permission denied", "no permission"),
        ("Got permission denied while trying to connect to the Docker daemon socket", "no permission"),
        ("failed to solve: python:3.99: failed to resolve source metadata for docker.io/library/python:3.99", "base image does not exist"),
        ("Error response from daemon: manifest for python:3.99 not found: manifest unknown", "base image does not exist"),
        ("Error response from daemon: pull access denied for x, repository does not exist", "base image does not exist"),
        ("Get https://registry-1.docker.io/v2/: dial tcp: lookup registry-1.docker.io: no such host", "cannot reach the network"),
        ("ERROR: No matching distribution found for onnxruntime==1.32.0", "no wheel"),
        ("#9 exec /bin/sh: exec format error", "cannot run programs for that processor"),
        ("Unable to find image 'q:1' locally\ndocker: Error response from daemon: odd", "daemon: odd"),
        ("", "printed no reason"),
    ],
)  # fmt: skip
def test_output_becomes_a_message_with_a_fix(output: str, meaning: str) -> None:
    error = failure("docker build failed", output)
    assert meaning in error.message
    assert error.message.startswith("docker build failed: ")
    assert error.help


def test_a_long_line_is_cut() -> None:
    assert len(failure("it failed", "x" * 10_000).message) < 400
