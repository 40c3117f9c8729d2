"""The generated DAG, parsed and run by Airflow."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.orchestrated import Orchestrated, Published, own_python, variables
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


def run(project: Orchestrated, *words: str) -> tuple[int, str]:
    done = subprocess.run(["airflow", *words], env=dict(project.variables), capture_output=True, text=True, timeout=500)
    return done.returncode, done.stdout + done.stderr


Airflow = Callable[[Orchestrated], Orchestrated]


def test_a_gate_that_passes_and_one_that_fails(orchestrated: Orchestrated, airflow: Airflow) -> None:
    project = airflow(orchestrated)
    code, text = run(project, "dags", "test", "mlspec_prices")
    assert code == 0, text[-5000:]
    ended = [task for task in ("data", "train", "evaluate", "gate", "export") if f"end task task_id={task}" in text]
    assert ended == ["data", "train", "evaluate", "gate", "export"]
    assert "'status': 'cached'" in text
    code, text = run(project, "dags", "test", "mlspec_prices", "--conf", '{"environment": "prod"}')
    assert "gate failed: 1 of 2 gates failed: r2" in text
    assert "end task task_id=evaluate" in text
    assert "starting task_id=export" not in text, "a failed gate stops what comes after it"


def test_tasks_that_clone_a_repository_propose_their_results(
    published: Published, airflow: Airflow, tmp_path: Path
) -> None:
    (tmp_path / "clones").mkdir()
    project = airflow(published.project)
    project = Orchestrated(project.root, {**project.variables, "TMPDIR": str(tmp_path / "clones")})
    code, text = run(project, "dags", "test", "mlspec_prices")
    assert code == 0, text[-5000:]
    assert "end task task_id=propose" in text
    assert f"to the branch {published.branch}" in text
    assert "dvc.lock" in published.proposed()
    assert not list((tmp_path / "clones").glob("mlspec-*"))


def test_airflow_reports_a_fault_of_the_spec(orchestrated: Orchestrated, airflow: Airflow) -> None:
    orchestrated.spec("max_epochs: 12", "max_epochs: -1")
    _, text = run(airflow(orchestrated), "tasks", "test", "mlspec_prices", "data")
    assert "`train.max_epochs` must be at least 1, not -1" in text
