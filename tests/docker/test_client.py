from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlspec.docker.client import Docker, programs
from mlspec.errors import StageError


def client(folder: Path, script: str) -> Docker:
    """A docker program with that shell script."""
    folder.mkdir(exist_ok=True)
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Docker(str(program))


def test_an_image_that_is_not_there_is_not_an_engine_that_does_not_answer(tmp_path: Path) -> None:
    missing = client(tmp_path / "a", 'echo "Error response from daemon: No such image: cola" >&2; exit 1')
    assert missing.find("cola") is None
    with pytest.raises(StageError, match=r"image not found in Docker: cola \(sha256:1\)") as error:
        missing.inspect("sha256:1", "cola")
    assert error.value.help == "mlspec apply --force image"
    silent = client(tmp_path / "b", 'echo "Cannot connect to the Docker daemon" >&2; exit 1')
    with pytest.raises(StageError, match="does not answer"):
        silent.find("cola")


def test_a_failed_command_is_an_error_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="docker tag failed: odd"):
        client(tmp_path, "echo odd >&2; exit 1").output("tag", "a", "b")
    assert client(tmp_path, "cat; echo $1").run("login", input="secret\n").stdout == "secret\nlogin\n"


def test_an_engine_that_takes_too_long_does_not_answer(tmp_path: Path) -> None:
    version, reason = client(tmp_path, "exec tail -f /dev/null").engine(timeout=0.2)
    assert version == ""
    assert "timed out" in reason
    assert client(tmp_path, "echo 28.1").engine() == ("28.1", "")
    assert Docker(str(tmp_path / "absent")).engine()[0] == ""


@pytest.mark.parametrize(
    ("script", "kit"),
    [
        ('[ "$1" = buildx ] && echo v0.21', ("v0.21", True)),
        ('[ "$1" = version ] && echo 20.10.24', ("client 20.10.24", False)),
        ('[ "$1" = version ] && echo 28.1.0', None),
        ('[ "$1" = version ] && echo 17.09', None),
    ],
)
def test_buildkit_is_a_plugin_or_part_of_an_old_client(script: str, kit: object, tmp_path: Path) -> None:
    assert client(tmp_path, script).buildkit() == kit


def test_programs_are_those_on_path_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = client(tmp_path / "one", "true"), client(tmp_path / "two", "true")
    monkeypatch.setenv("PATH", f"{tmp_path / 'two'}{os.pathsep}{tmp_path / 'none'}")
    assert programs(str(tmp_path / "one"), str(tmp_path / "two")) == [two, one]
    assert programs() == [two]
