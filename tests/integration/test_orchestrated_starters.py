"""The whole pipeline of starters with one added line: trained by Dagster, then run by Prefect, which finds it in the cache."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.orchestrated import Orchestrated, PrefectServer, own_python, variables
from tests.integration.test_dagster import RUN
from tests.sharing import once_value, shared_folder
from tests.test_starters import passed
from tests.warm_python import WarmPython

pytestmark = pytest.mark.slow
STARTERS = ["digits", "tabular"]
FLOWS = """\
import json, sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from prefect.logging.handlers import APILogHandler

def run(name):
    spec = spec_from_file_location("flow", Path(sys.argv[1]) / name / "orchestrate/prefect/flow.py")
    flow = module_from_spec(spec)
    spec.loader.exec_module(flow)
    state = flow.pipeline(return_state=True)
    APILogHandler().flush()
    with get_client(sync_client=True) as client:
        tasks = [t for t in client.read_task_runs() if t.flow_run_id == state.state_details.flow_run_id]
        lines = [l.message for start in range(0, 2000, 200) for l in client.read_logs(limit=200, offset=start)
                if l.flow_run_id == state.state_details.flow_run_id]
    return {
        "state": [state.name, state.message],
        "tasks": {t.name.rpartition("-")[0]: t.state.name for t in tasks},
        "stages": dict(line.split(": stage ") for line in lines if ": stage " in line),
    }

print(json.dumps([run(name) for name in sys.argv[2:]]))
"""


@pytest.fixture(scope="session")
def trained_by_dagster(
    warm: WarmPython, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, dict[str, Any]]]:
    """A starter after the training job of Dagster, and the result of its run."""

    def get(starter: str) -> tuple[Path, dict[str, Any]]:
        dagster = own_python("MLSPEC_DAGSTER", "dagster and dagster-dg-cli", "dagster")
        shared = shared_folder(tmp_path_factory, f"orchestrated-{starter}")

        def train(within: Path) -> dict[str, Any]:
            environ = variables(warm, within)
            words = ["mlspec", "init", starter, "--template", starter]
            subprocess.run(words, cwd=within, env=environ, check=True, capture_output=True)
            with (within / starter / "mlproject.yaml").open("a") as spec:
                spec.write("orchestrate: {dagster: {}}\n")
            subprocess.run(["mlspec", "build"], cwd=within / starter, env=environ, check=True, capture_output=True)
            done: dict[str, Any] = Orchestrated(within / starter, environ).python(
                dagster, RUN + "print(json.dumps(run('')))\n"
            )
            return done

        return shared / "content" / starter, once_value(shared, train)

    return get


@pytest.mark.parametrize("starter", STARTERS)
def test_dagster_trains_a_starter(
    starter: str, trained_by_dagster: Callable[[str], tuple[Path, dict[str, Any]]]
) -> None:
    root, done = trained_by_dagster(starter)
    assert done["success"]
    statuses = {name: values["status"] for name, values in done["materialized"].items()}
    assert statuses == dict.fromkeys(["data", "train", "evaluate", "export", "robustness", "test"], "ran")
    assert {"data_checks", "gate_accuracy"} <= set(done["checks"])
    assert all(done["checks"].values())
    passed(root)


def test_prefect_runs_starters(
    trained_by_dagster: Callable[[str], tuple[Path, dict[str, Any]]],
    prefect: PrefectServer,
    warm: WarmPython,
    tmp_path: Path,
) -> None:
    environ = variables(warm, tmp_path)
    for name in STARTERS:
        root = tmp_path / name
        shutil.copytree(trained_by_dagster(name)[0], root, symlinks=True)
        spec = root / "mlproject.yaml"
        spec.write_text(spec.read_text().replace("orchestrate: {dagster: {}}", "orchestrate: {prefect: {}}"))
        shutil.rmtree(root / "artifacts")
        (root / "dvc.lock").unlink()
        subprocess.run(["mlspec", "build"], cwd=root, env=environ, check=True, capture_output=True)
        assert not (root / "orchestrate/dagster").exists()
    done_by_prefect = prefect.python(Orchestrated(tmp_path, environ), FLOWS, *STARTERS)
    for name, done in zip(STARTERS, done_by_prefect, strict=True):
        stages = ["data", "train", "evaluate", "gate", "export", "robustness", "test"]
        assert done["state"][0] == "Completed", done["state"]
        assert done["tasks"] == dict.fromkeys(stages, "Completed")
        cached = {stage for stage, status in done["stages"].items() if status == "cached"}
        assert cached == {*stages} - {"data", "gate"}, "DVC has what Dagster trained; git has outputs of the other two"
        passed(tmp_path / name)
