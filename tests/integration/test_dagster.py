"""The generated Dagster project, loaded and run by Dagster."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.orchestrated import Orchestrated, Published, own_python
from tests.scenarios.test_retraining_loop import Shop, applied, shop

__all__ = ["applied", "shop"]

pytestmark = pytest.mark.slow
RUN = """\
import json, shutil, sys
from pathlib import Path
import dagster as dg

root = Path(sys.argv[1])
sys.path.insert(0, str(next(root.glob("orchestrate/dagster/src"))))
from importlib import import_module
module = next(root.glob("orchestrate/dagster/src/mlspec_*")).name
defs = import_module(f"{module}.definitions").defs()
slug = module.removeprefix("mlspec_")
instance = dg.DagsterInstance.ephemeral()

def run(partition):
    job = defs.resolve_job_def(f"{slug}_train")
    done = job.execute_in_process(partition_key=partition or None, instance=instance, raise_on_error=False)
    events = done.all_events
    return {
        "success": done.success,
        "materialized": {e.asset_key.path[-1]: {k: v.value for k, v in e.materialization.metadata.items()}
                         for e in events if e.event_type_value == "ASSET_MATERIALIZATION"},
        "checks": {c.check_name: c.passed for c in done.get_asset_check_evaluations()},
        "figures": {c.check_name: {k: v.value for k, v in c.metadata.items()} for c in done.get_asset_check_evaluations()},
        "failed": [e.step_key for e in events if e.event_type_value == "STEP_FAILURE"],
        "versions": {e.asset_key.path[-1]: e.materialization.tags.get("dagster/data_version")
                     for e in events if e.event_type_value == "ASSET_MATERIALIZATION"},
        "retries": sum(e.event_type_value == "STEP_UP_FOR_RETRY" for e in events),
    }

def sensed(name):
    context = dg.build_sensor_context(instance=instance, repository_def=defs.get_repository_def())
    result = defs.resolve_sensor_def(name).evaluate_tick(context)
    return [r.run_key for r in result.run_requests], result.skip_message, [r.partition_key for r in result.run_requests]

"""
LOADED = """\
graph = defs.resolve_asset_graph()
nodes = {k.to_user_string(): graph.get(k) for k in graph.get_all_asset_keys()}
quiet = sensed(f"{slug}_new_data")
rows = root / "data/prices.csv"
rows.write_text(rows.read_text() + "-1.0,Bonn,0.5\\n")
tick = defs.resolve_schedule_def(f"{slug}_schedule").evaluate_tick(dg.build_schedule_context(instance=instance, repository_def=defs.get_repository_def()))
print(json.dumps({
    "assets": {n: [sorted(p.path[-1] for p in a.parent_keys), a.group_name, a.description, sorted(a.kinds), a.code_version,
                   sorted(a.partitions_def.get_partition_keys())] for n, a in nodes.items()},
    "checks": {c.name: [c.asset_key.path[-1], graph.get_check_spec(c).blocking if hasattr(graph, "get_check_spec") else True]
               for c in graph.asset_check_keys},
    "schedule": [defs.resolve_schedule_def(f"{slug}_schedule").cron_schedule, [r.partition_key for r in tick.run_requests]],
    "tags": defs.resolve_job_def(f"{slug}_train").tags,
    "retries": {n.name: n.definition.retry_policy.max_retries for n in defs.resolve_job_def(f"{slug}_train").nodes},
    "quiet": quiet, "new": [sensed(f"{slug}_new_data") for _ in range(2)],
}))
"""


@pytest.fixture(scope="module")
def dagster() -> Path:
    """The environment of Dagster."""
    return own_python("MLSPEC_DAGSTER", "dagster and dagster-dg-cli", "dagster")


def test_dagster_accepts_the_project(orchestrated: Orchestrated, dagster: Path) -> None:
    folder = orchestrated.root / "orchestrate/dagster"
    environ = {**orchestrated.variables, "PYTHONPATH": str(folder / "src")}
    for command in (["dagster", "definitions", "validate"], ["dg", "check", "defs"]):
        command[0] = str(dagster / "bin" / command[0])
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_assets_checks_schedule_and_sensors_are_those_of_the_spec(orchestrated: Orchestrated, dagster: Path) -> None:
    result = orchestrated.python(dagster, RUN + LOADED)
    assets = result["assets"]
    assert {name.removeprefix("prices/") for name in assets} == {"data", "train", "evaluate", "export"}
    parents, group, description, kinds, version, partitions = assets["prices/export"]
    assert parents == ["data", "evaluate", "train"], "the gate is a check of evaluate"
    assert (group, kinds, partitions) == ("prices", ["dvc", "onnx"], ["base", "prod"])
    assert description == "Export the model to ONNX, and compare its predictions"
    assert re.fullmatch(r"\d+-[0-9a-f]{12}", version)
    assert result["checks"] == {
        "data_checks": ["data", True],
        "gate_r2": ["evaluate", True],
        "gate_mae": ["evaluate", True],
    }
    needs = {"memory": "2000000000", "nvidia.com/gpu": "1"}
    container = {"resources": {"requests": needs, "limits": needs}}
    assert json.loads(result["tags"]["dagster-k8s/config"]) == {"container_config": container}
    assert "dagster/max_runtime" not in result["tags"], "not every stage has a time limit"
    assert result["retries"] == {"prices__data": 1, "prices__train": 0, "prices__evaluate": 0, "prices__export": 0}
    assert result["schedule"] == ["0 3 * * 1", ["base"]]
    assert result["quiet"] == [[], "the raw data is that of the last training", []]
    (key, again) = [keys for keys, _, _ in result["new"]]
    assert (len(key), key, result["new"][0][2]) == (1, again, ["base"]), "one training for each state of the data"


def test_a_gate_that_passes_and_one_that_fails(orchestrated: Orchestrated, dagster: Path) -> None:
    script = RUN + "print(json.dumps([run('base'), run('prod')]))\n"
    base, prod = orchestrated.python(dagster, script)
    assert base["success"]
    assert base["checks"] == {"data_checks": True, "gate_r2": True, "gate_mae": True}
    assert {name: values["status"] for name, values in base["materialized"].items()} == dict.fromkeys(
        ["data", "train", "evaluate", "export"], "cached"
    ), "what mlspec has made is not made again"
    measured = base["materialized"]["evaluate"]
    assert measured["metrics.r2"] > 0.5
    assert measured["report"] == (orchestrated.root / ".mlspec/reports/report.html").as_uri()
    assert Path(measured["plot_fit"]) == orchestrated.root / ".mlspec/reports/fit.csv"

    assert not prod["success"]
    assert prod["failed"] == ["prices__evaluate"]
    assert prod["retries"] == 0
    assert prod["figures"]["gate_r2"] == {"value": prod["materialized"]["evaluate"]["metrics.r2"]}
    assert prod["checks"] == {"data_checks": True, "gate_r2": False, "gate_mae": True}
    assert "export" not in prod["materialized"], "a failed gate blocks what comes after it"


def test_each_partition_has_the_metrics_of_its_own_training(orchestrated: Orchestrated, dagster: Path) -> None:
    orchestrated.spec(
        'prod: {evaluate: {gates: {r2: "> 0.999999"}}}', "prod: {train: {max_epochs: 2}, evaluate: {gates: {}}}"
    )
    script = RUN + (
        "runs = [run(partition) for partition in ('base', 'prod', 'base')]\n"
        "key = dg.AssetKey(['prices', 'evaluate'])\n"
        "def latest(partition):\n"
        "    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])\n"
        "    (record, *_) = instance.fetch_materializations(wanted, limit=9).records\n"
        "    return {k: v.value for k, v in record.asset_materialization.metadata.items()}\n"
        "print(json.dumps([runs, {p: latest(p) for p in ('base', 'prod')}]))\n"
    )
    runs, latest = orchestrated.python(dagster, script)
    base, prod, again = ({name: m["status"] for name, m in run["materialized"].items()} for run in runs)
    assert prod == {"data": "cached", "train": "ran", "evaluate": "ran", "export": "ran"}
    versions = [run["versions"] for run in runs]
    assert versions[0] == versions[2], "nothing is stale after it"
    assert {name for name in versions[0] if versions[0][name] == versions[1][name]} == {"data"}
    assert set(base.values()) == set(again.values()) == {"cached"}, "taken from the cache, not trained again"
    measured = [run["materialized"]["evaluate"]["metrics.r2"] for run in runs]
    assert measured[0] == measured[2] != measured[1]
    assert {name: values["metrics.r2"] for name, values in latest.items()} == {"base": measured[0], "prod": measured[1]}
    assert latest["base"]["results"] != latest["prod"]["results"]
    assert "r2" in latest["prod"]["results"]
    pages = {name: Path(values["report"].removeprefix("file://")).read_text() for name, values in latest.items()}
    assert ["prod" in re.findall(r"<h1>.*?</header>", page, re.DOTALL)[0] for page in pages.values()] == [False, True]


def test_a_stage_that_an_environment_lacks_skips_none_after_it(orchestrated: Orchestrated, dagster: Path) -> None:
    gates = '{gates: {r2: "> 0.5", mae: "< 100"}}'
    orchestrated.spec(f"evaluate: {gates}\n", "")
    orchestrated.spec('evaluate: {gates: {r2: "> 0.999999"}}', f"evaluate: {gates}")
    base = orchestrated.python(dagster, RUN + "print(json.dumps(run('base')))\n")
    assert base["success"]
    statuses = {name: values["status"] for name, values in base["materialized"].items()}
    assert (statuses["evaluate"], statuses["train"]) == ("not in this environment", "cached")
    assert statuses["export"] in ("ran", "cached"), "it comes after evaluate where there is one"


def test_a_run_in_a_clone_proposes_its_results(published: Published, dagster: Path, tmp_path: Path) -> None:
    (tmp_path / "clones").mkdir()
    script = RUN + "print(json.dumps([run('base'), run('base')]))\n"
    trained, again = published.project.python(dagster, script, TMPDIR=str(tmp_path / "clones"))
    assert (trained["success"], again["success"]) == (True, True)
    status = {name: values["status"] for name, values in trained["materialized"].items() if name != "proposal"}
    assert (status["train"], trained["materialized"]["proposal"]["branch"]) == ("ran", published.branch)
    assert {values.get("status", "cached") for values in again["materialized"].values()} == {"cached"}, (
        "of DVC's remote"
    )
    assert published.proposed() == trained["materialized"]["proposal"]["files"]
    assert "dvc.lock" in published.proposed()
    assert "report" not in trained["materialized"]["evaluate"], "it is deleted with the clone"
    assert "r2" in trained["materialized"]["evaluate"]["results"]
    assert not list((tmp_path / "clones").glob("mlspec-*"))


def test_data_that_is_not_as_stated_and_a_stage_that_breaks(orchestrated: Orchestrated, dagster: Path) -> None:
    orchestrated.spec("  split:", "  checks: {size: {max: 0}, rows: {min: 9}}\n  split:")
    script = RUN + (
        "first = run('base')\n"
        "(root / 'data/prices.csv').unlink()\n"
        "shutil.rmtree(root / '.dvc/cache')\n"
        "print(json.dumps([first, run('base')]))\n"
    )
    checked, broken = orchestrated.python(dagster, script)
    assert checked["checks"] == {"data_checks": False, "data_size_max": False, "data_rows_min": True}
    assert checked["figures"]["data_rows_min"] == {"rows": 240}
    assert checked["figures"]["data_size_max"]["rows"] == 240
    assert 0 < checked["figures"]["data_size_max"]["failing_rows"] < 240
    assert (checked["materialized"], checked["failed"], checked["retries"]) == ({}, ["prices__data"], 0)
    assert (broken["checks"], broken["failed"], broken["retries"]) == ({}, ["prices__data"], 1)


def test_an_error_of_the_spec_is_reported_where_dagster_loads(orchestrated: Orchestrated, dagster: Path) -> None:
    orchestrated.spec("max_epochs: 12", "max_epochs: -1")
    folder = orchestrated.root / "orchestrate/dagster"
    environ = {**orchestrated.variables, "PYTHONPATH": str(folder / "src"), "COLUMNS": "400"}
    command = [str(dagster / "bin" / "dagster"), "definitions", "validate"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 1
    assert "`train.max_epochs` must be at least 1, not -1" in done.stdout + done.stderr


def test_an_alarm_starts_the_retraining(shop: Shop, dagster: Path, tmp_path: Path) -> None:
    """The sensor and the job that it starts, run by Dagster on a served model whose data has moved."""
    shop.spec("cooldown: 1d", "cooldown: 1d, approve: true")
    shop.spec("\nmonitor:", "\norchestrate: {dagster: {}}\nmonitor:")
    shop.done("build")
    shop.settled()
    script = RUN + (
        "ticks = [sensed(f'{slug}_alarm') for _ in range(2)]\n"
        "done = defs.resolve_job_def(f'{slug}_retrain').execute_in_process(instance=instance)\n"
        "(output,) = [e.step_output_data for e in done.all_events if e.event_type_value == 'STEP_OUTPUT']\n"
        "print(json.dumps([ticks, done.success, {k: v.value for k, v in output.metadata.items()}]))\n"
    )
    environ = {name: value for name, value in shop.environment.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environ |= {"MLSPEC_PROGRAM": str(shutil.which("mlspec", path=environ["PATH"])), "HOME": str(tmp_path)}
    (first, second), success, metadata = Orchestrated(shop.root, environ).python(dagster, script)
    assert (len(first[0]), first[0]) == (1, second[0]), "one training a day for the same alarms"
    assert success
    assert (metadata["verdict"], shop.verdicts()) == ("waiting", ["waiting"])
    assert metadata["reason"].startswith("the challenger is better")
