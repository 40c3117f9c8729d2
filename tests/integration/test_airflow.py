"""The generated DAG, parsed and run by Airflow."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.integration.orchestrated import STAGES, Orchestrated, Published, own_python, variables
from tests.sharing import once, shared_folder
from tests.warm_python import WarmPython

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def migrated(warm: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of Airflow."""
    environment = own_python("MLSPEC_AIRFLOW", "apache-airflow", "airflow")

    def migrate(home: Path) -> None:
        environ = {**variables(warm, home), "PATH": f"{environment / 'bin'}:{os.environ['PATH']}", **state(home)}
        subprocess.run(["airflow", "db", "migrate"], env=environ, check=True, capture_output=True, timeout=500)

    return once(shared_folder(tmp_path_factory, "airflow"), migrate) / "airflow.db"


def state(home: Path) -> dict[str, str]:
    """Variables with which Airflow keeps its state in the folder."""
    return {"AIRFLOW_HOME": str(home), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}"}


@pytest.fixture
def airflow(migrated: Path, tmp_path: Path) -> Callable[[Orchestrated], Orchestrated]:
    """The project with the variables by which Airflow finds its DAG and keeps its state in the folder of the test."""
    environment = own_python("MLSPEC_AIRFLOW", "apache-airflow", "airflow")
    (tmp_path / "airflow").mkdir()
    shutil.copy(migrated, tmp_path / "airflow")

    def add(project: Orchestrated) -> Orchestrated:
        more = {
            "PATH": f"{environment / 'bin'}:{project.variables['PATH']}",
            **state(tmp_path / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(project.root / "orchestrate/airflow"),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        return Orchestrated(project.root, {**project.variables, **more})

    return add


Airflow = Callable[[Orchestrated], Orchestrated]
COMMANDS = """\
import json, os, subprocess, sys
from airflow.__main__ import main

for words in json.loads(sys.argv[1]):
    try:
        sys.argv = words
        code = main() if words[0] == "airflow" else subprocess.call(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int | None) else 1  # a text, which Python prints
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(1, f"\\nEXIT {code or 0}\\n".encode())
"""
"""Commands of Airflow one after the other, as its program runs them, whose imports take longer than the commands."""


def run(project: Orchestrated, *commands: Sequence[str]) -> list[tuple[int, str]]:
    """The exit code and the output of each command."""
    words = ["python", "-c", COMMANDS, json.dumps(commands)]
    environ = dict(project.variables)
    done = subprocess.run(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500)
    parts = re.split(r"\nEXIT (\d+)\n", done.stdout)
    assert len(parts) == 2 * len(commands) + 1, done.stdout[-5000:]
    return [(int(code), text) for text, code in zip(parts[::2], parts[1::2], strict=False)]


def test_a_gate_that_passes_one_that_fails_and_a_fault_of_the_spec(
    orchestrated: Orchestrated, airflow: Airflow
) -> None:
    test = ("airflow", "dags", "test", "mlspec_prices")
    base, prod, _, fault = run(
        airflow(orchestrated),
        test,
        (*test, "--conf", '{"environment": "prod"}'),
        ("sed", "-i", "s/max_epochs: 12/max_epochs: -1/", str(orchestrated.root / "mlproject.yaml")),
        ("airflow", "tasks", "test", "mlspec_prices", "data"),
    )
    assert base[0] == 0, base[1][-5000:]
    assert [stage for stage in STAGES if f"end task task_id={stage}" in base[1]] == STAGES
    assert "'status': 'cached'" in base[1]
    assert prod[0] != 0
    assert "gate failed: 1 of 2 gates failed: r2" in prod[1]
    assert "end task task_id=evaluate" in prod[1]
    assert "starting task_id=export" not in prod[1], "a failed gate stops what comes after it"
    assert "`train.max_epochs` must be at least 1, not -1" in fault[1]


def test_tasks_that_clone_a_repository_propose_their_results(
    published: Published, airflow: Airflow, tmp_path: Path
) -> None:
    clones = tmp_path / "clones"
    clones.mkdir()
    project = airflow(published.project)
    project = Orchestrated(project.root, {**project.variables, "TMPDIR": str(clones)})
    ((code, text),) = run(project, ("airflow", "dags", "test", "mlspec_prices"))
    assert code == 0, text[-5000:]
    assert "end task task_id=propose" in text
    assert f"to the branch {published.branch}" in text
    assert "dvc.lock" in published.proposed()
    assert not list(clones.glob("mlspec-*"))
