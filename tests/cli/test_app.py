"""The frame of the command line: exit codes, streams, and no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlspec.cli.app import main
from mlspec.cli.help_page import COMMANDS, INSTEAD, STAGE_NAMES
from mlspec.compiler import compile_project
from tests.conftest import CHECKOUT
from tests.warm_python import warm_python


def mlspec(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm_python().python, "-m", "mlspec", *arguments],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )


PAGE_MODULES = {"mlspec", "mlspec.cli", "mlspec.cli.app", "mlspec.cli.help_page", "__future__"}
"""What `mlspec --help` may import beyond what Python itself has at its start: each module more is a longer start."""


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_the_help_imports_little_beyond_python_itself(option: str, tmp_path: Path) -> None:
    probe = (
        "import os, sys; before = {*sys.modules}; from mlspec.cli.app import main; code = main([sys.argv[1]]); "
        "print(*sorted({*sys.modules} - before), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", probe, option],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0
    assert set(done.stderr.split()) == PAGE_MODULES


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"mlspec {command}" in capsys.readouterr().out


def test_a_wrong_command_suggests_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["biuld"]) == 2
    assert "did you mean `build`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("deploy", "`deploy` is a stage: mlspec apply --until deploy"),
        ("train", "`train` is a stage: mlspec apply --until train"),
        ("sweep", "mlspec run train -m"),
        ("validate", "mlspec build"),
        ("help", "mlspec --help"),
    ],
)
def test_the_word_of_another_tool_leads_to_the_command(
    word: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word]) == 2
    shown = capsys.readouterr().err
    assert f"unknown command `{word}`; instead: " in shown
    assert hint in shown


def test_every_other_word_leads_to_a_command_that_exists() -> None:
    for word, instead in INSTEAD.items():
        assert word not in COMMANDS
        words = instead[instead.index("mlspec ") :].split()
        assert words[1] in {*COMMANDS, "--help", "--version"}
    names = {stage.name for stage in compile_project(CHECKOUT / "specs/full/mlproject.yaml").plan.stages}
    assert set(STAGE_NAMES) <= names | {"fetch"}


@pytest.mark.parametrize("arguments", [["serve", "--model", "x"], ["build", "--overwrite"]])
def test_a_usage_error_names_the_help_of_its_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert "Did you mean" not in shown
    assert f"= help: see `mlspec {arguments[0]} --help`" in shown


def test_a_wrong_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--nonsense"]) == 2
    assert "mlspec show --help" in capsys.readouterr().err


def test_a_missing_spec_is_an_error_with_a_help(tmp_path: Path) -> None:
    done = mlspec("show", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "mlproject.yaml not found in this folder or its parents" in done.stderr


@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "pipe", "/dev/null"])
@pytest.mark.parametrize("command", ["build", "show", "plan"])
def test_a_spec_that_is_not_a_file_is_refused_before_it_is_read(tmp_path: Path, name: str, command: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (CHECKOUT / "specs/minimal/mlproject.yaml").open() as given:
        done = subprocess.run(
            [warm_python().python, "-m", "mlspec", command, "--spec", name],
            cwd=tmp_path, stdin=given, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 2
    assert f"cannot read the spec from {name}" in done.stderr


def test_json_puts_one_document_on_stdout_also_for_errors(tmp_path: Path) -> None:
    (tmp_path / "mlproject.yaml").write_text("project: {nme: x}\n")
    done = mlspec("show", "--json", cwd=tmp_path)
    record = json.loads(done.stdout)
    assert done.returncode == record["exit_code"] == 1
    assert {"unknown-key", "missing-key"} <= {d["code"] for d in record["diagnostics"]}
    assert done.stderr == ""


def test_the_spec_is_found_from_a_folder_below(tmp_path: Path) -> None:
    (tmp_path / "mlproject.yaml").write_text("[]")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert "not-a-mapping" in mlspec("show", cwd=tmp_path / "a" / "b").stderr


def test_no_colour_without_a_terminal(tmp_path: Path) -> None:
    assert "\033" not in mlspec("show", cwd=tmp_path).stderr


def test_a_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m mlspec explain | head -n 1", shell=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_explain_lists_and_explains(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    assert "out-of-range" in capsys.readouterr().out
    assert main(["explain", "out-of-range"]) == 0
    assert "## Wrong" in capsys.readouterr().out
    assert main(["explain", "out-of-rang"]) == 2
    assert "did you mean `out-of-range`?" in capsys.readouterr().err


def test_a_closed_pipe_before_an_error_gives_no_traceback(tmp_path: Path) -> None:
    wrong = "".join(f"key{n}: {n}\n" for n in range(400))
    (tmp_path / "mlproject.yaml").write_text(f"mlspec: 1\n{wrong}")
    done = subprocess.run(
        f"{sys.executable} -m mlspec build --json | head -n 1", shell=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_a_full_disk_is_not_reported_as_a_bug(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m mlspec schema > /dev/full", shell=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "error: No space left on device" in done.stderr
    assert "free disk space" in done.stderr
    assert "bug" not in done.stderr


def test_run_has_help_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-h"]) == 0
    assert "Hydra OVERRIDES" in capsys.readouterr().out
