"""The command line of the framework: which program is taken, what it is given, and what is said where it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mlspec.errors import StageError
from mlspec.serverless.serverless_program import ProgramName, Serverless, program


@pytest.mark.parametrize(
    ("name", "installed", "expected"),
    [
        ("auto", {"osls", "serverless"}, "/bin/osls"),
        ("auto", {"serverless"}, "/bin/serverless"),
        ("serverless", {"osls", "serverless"}, "/bin/serverless"),
        ("osls", {"osls"}, "/bin/osls"),
    ],
)
def test_the_program_that_is_installed_is_taken(name: ProgramName, installed: set[str], expected: str) -> None:
    assert program(name, lambda one: f"/bin/{one}" if one in installed else None) == expected


@pytest.mark.parametrize(
    ("name", "missing", "help"),
    [
        ("auto", "osls or serverless not found", "npm install --global osls"),
        ("serverless", "serverless not found", "npm install --global serverless"),
    ],
)
def test_a_missing_program_is_named_with_the_command_that_installs_it(
    name: ProgramName, missing: str, help: str
) -> None:
    with pytest.raises(StageError, match=missing) as raised:
        program(name, lambda one: None)
    assert raised.value.help == help


def test_the_output_of_the_program_is_shown_without_its_banner(tmp_path: Path) -> None:
    (tmp_path / "serverless.yml").touch()
    seen: list[tuple[Sequence[str], Path, str]] = []

    def failing(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
        seen.append((command, folder, environ["SLS_TELEMETRY_DISABLED"]))
        return 1, "Environment: linux\nDocs: x\n\n\x1b[31mError:\x1b[0m\nThe stack is busy\n"

    service = Serverless("/bin/osls", tmp_path, tmp_path / "package", {"image": "x@sha256:0"}, run=failing)
    with pytest.raises(StageError, match=r"^osls deploy failed: The stack is busy$"):
        service.deploy()
    command = ["/bin/osls", "deploy", "--package", str(tmp_path / "package"), "--param=image=x@sha256:0"]
    assert seen == [(command, tmp_path, "1")]


def test_a_service_that_was_not_built_is_named(tmp_path: Path) -> None:
    service = Serverless("/bin/osls", tmp_path / "service", tmp_path, {})
    with pytest.raises(StageError, match=r"serverless/service/serverless\.yml not found") as raised:
        service.remove()
    assert raised.value.help == "mlspec build"
