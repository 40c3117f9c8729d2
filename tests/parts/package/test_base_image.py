from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mlspec.docker.client import Docker
from mlspec.parts.package.base_image import pin

DIGEST = "sha256:" + "1" * 64


def fake(folder: Path, known: str, *, pull: int) -> Docker:
    """A docker that reports the RepoDigests `known` of every image, and whose pull exits with `pull`."""
    program = folder / "docker"
    details = json.dumps([{"Id": "sha256:1", "RepoDigests": known.split()}])
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/asked\ncase "$1" in\n'
        f"  image) echo '{details}';;\n  pull) echo 'manifest unknown' >&2; exit {pull};;\nesac\n"
    )
    program.chmod(0o755)
    return Docker(str(program))


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
    created, existing = pin(fake(tmp_path, known, pull=0), tmp_path, text, base, "linux/amd64")
    assert existing == f"{base}@{DIGEST}"
    assert created.count(f"FROM {base}@{DIGEST} AS") == 2
    assert re.search(rf"\n{base}@{DIGEST} # \d{{4}}-\d\d-\d\d\n$", (tmp_path / "Dockerfile.lock").read_text())


def test_without_a_network_the_image_that_is_here_gives_the_digest(tmp_path: Path) -> None:
    docker = fake(tmp_path, f"python@{DIGEST}", pull=1)
    assert pin(docker, tmp_path, DOCKERFILE, "python:3.11", "linux/amd64")[1] == f"python:3.11@{DIGEST}"


def test_a_local_image_has_no_digest_and_is_not_pulled(tmp_path: Path) -> None:
    docker = fake(tmp_path, "", pull=1)
    assert pin(docker, tmp_path, DOCKERFILE, "python:3.11", "linux/amd64") == (DOCKERFILE, "python:3.11")
    assert "pull" not in (tmp_path / "asked").read_text()
    assert not (tmp_path / "Dockerfile.lock").exists()


def test_a_pinned_dockerfile_needs_no_registry(tmp_path: Path) -> None:
    text = DOCKERFILE.replace("python:3.11", f"python:3.11@{DIGEST}")
    docker = fake(tmp_path, "", pull=1)
    assert pin(docker, tmp_path, text, "python:3.11", "linux/amd64") == (text, f"python:3.11@{DIGEST}")
    assert not (tmp_path / "asked").exists()


def test_other_lines_of_the_lock_are_kept(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile.lock").write_text(f"debian:12@{DIGEST}\n")
    pin(fake(tmp_path, f"python@{DIGEST}", pull=0), tmp_path, DOCKERFILE, "python:3.11", "linux/amd64")
    assert f"debian:12@{DIGEST}" in (tmp_path / "Dockerfile.lock").read_text()
