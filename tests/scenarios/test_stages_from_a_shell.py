"""The explanation for orchestrators that nothing is generated for: its commands run."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from mlspec.explain import explanations
from tests.parts.projects import numbers
from tests.warm_python import WarmPython


@pytest.mark.slow
def test_the_example_runs_stages_from_a_shell(warm: WarmPython, tmp_path: Path) -> None:
    """The stages between the two of the example have run before."""
    numbers(tmp_path, 'evaluate: {gates: {r2: "> 0.5"}}\n')
    environ = warm.variables(os.environ)
    subprocess.run(["mlspec", "apply", "--until", "evaluate", "--yes"], cwd=tmp_path, env=environ, check=True)
    (script,) = re.findall(r"```sh\n(.*?)```", explanations()["unknown-orchestrator"].read_text(), re.DOTALL)
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=environ, check=True)
    stages = json.loads((tmp_path / "stages.json").read_text())["stages"]
    assert [stage["stage"] for stage in stages] == ["data", "train", "evaluate", "gate"]
    gate = json.loads((tmp_path / "gate.json").read_text())
    (check,) = gate["results"]["gate"]["checks"]
    assert (check["text"], check["passed"]) == ("r2 > 0.5", True)
