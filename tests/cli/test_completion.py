"""Completion as a real bash does it, with the script that `mlspec completion bash` prints."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mlspec.cli.help_page import COMMANDS
from tests.conftest import missing
from tests.parts.targets import BASE
from tests.warm_python import WarmPython

SPEC = BASE + "train: {}\nenvironments: {staging: {train: {max_epochs: 1}}, prod: {train: {max_epochs: 2}}}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    (folder / "mlproject.yaml").write_text(SPEC, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("mlspec pla", {"plan"}),
        ("mlspec apply --un", {"--until"}),
        ("mlspec apply --until t", {"train"}),
        ("mlspec run ", {"data", "train"}),
        ("mlspec plan --env ", {"staging", "prod"}),
        ("mlspec explain unknown-al", {"unknown-alias"}),
        ("mlspec explain train.optimizer.b", {"train.optimizer.beta1", "train.optimizer.beta2"}),
        ("mlspec init --template d", {"digits"}),
        ("mlspec logs --spec missing.yaml ", set()),
    ],
)
def test_what_bash_completes(line: str, completed: set[str], project: Path, warm: WarmPython) -> None:
    bash = shutil.which("bash")
    if bash is None:
        missing("bash")
    words = line.split(" ")
    script = f"""
        eval "$(mlspec completion bash)"
        COMP_WORDS=({" ".join(word or '""' for word in words)}) COMP_CWORD={len(words) - 1} COMP_LINE='{line}'
        _mlspec_completion mlspec
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environment = os.environ | {"PATH": f"{warm.bin}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([str(bash), "-c", script], cwd=project, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    assert set(done.stdout.split()) == completed


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_scripts_of_other_shells_call_mlspec(shell: str, warm: WarmPython) -> None:
    done = subprocess.run([warm.bin / "mlspec", "completion", shell], capture_output=True, text=True, check=True)
    assert f"_MLSPEC_COMPLETE={shell}_complete" in done.stdout


def test_a_command_is_completed_with_its_line_of_the_help(warm: WarmPython) -> None:
    environment = os.environ | {"_MLSPEC_COMPLETE": "fish_complete", "COMP_WORDS": "mlspec ", "COMP_CWORD": ""}
    done = subprocess.run([warm.bin / "mlspec"], env=environment, capture_output=True, text=True, check=True)
    rows = dict(row.removeprefix("plain,").split("\t") for row in done.stdout.splitlines())
    assert rows == COMMANDS
    script = subprocess.run([warm.bin / "mlspec", "completion", "fish"], capture_output=True, text=True, check=True)
    assert 'string split --max 1 ","' in script.stdout  # a description may have commas
