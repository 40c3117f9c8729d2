"""The generated flow and its deployments, run by Prefect with a server of its own."""

from __future__ import annotations

import os

import pytest

from tests.integration.orchestrated import STAGES, Orchestrated, PrefectServer, Published

pytestmark = pytest.mark.slow
RUN = """\
import json, shutil, subprocess, sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate

root = Path(sys.argv[1])
spec = spec_from_file_location("flow", root / "orchestrate/prefect/flow.py")
flow = module_from_spec(spec)
spec.loader.exec_module(flow)

def run(**parameters):
    state = flow.pipeline(**parameters, return_state=True)
    with get_client(sync_client=True) as client:
        flow_run = state.state_details.flow_run_id
        tasks = [t for t in client.read_task_runs() if t.flow_run_id == flow_run]
        artifacts = [a for a in client.read_artifacts() if a.flow_run_id == flow_run]
    return {
        "state": state.name,
        "message": state.message or "",
        "tasks": {t.name.rpartition("-")[0]: t.state.name for t in tasks},
        "tags": sorted({tag for t in tasks for tag in t.tags}),
        "tries": {t.name.rpartition("-")[0]: t.run_count for t in tasks},
        "artifacts": {a.key: a.data for a in artifacts},
    }

def prefect(*words):
    global said
    done = subprocess.run([sys.executable, "-m", "prefect", *words], cwd=root, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said

def deployments():
    with get_client(sync_client=True) as client:
        return {d.name: [d.parameters, d.work_pool_name, [s.schedule.cron for s in d.schedules], d.pull_steps, d.entrypoint]
                for d in client.read_deployments()}

def limits():
    with get_client(sync_client=True) as client:
        return {d.name: [d.global_concurrency_limit.limit, d.concurrency_options.collision_strategy.value]
                for d in client.read_deployments()}

def overlaps():
    with get_client(sync_client=True) as client:
        spans = sorted((t.start_time, t.end_time) for t in client.read_task_runs() if t.start_time and t.end_time)
    return sum(later[0] < earlier[1] for earlier, later in zip(spans, spans[1:]))

def deploy():
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="default", type="process"))
    prefect("--no-prompt", "deploy", "--all")

def start(*names):
    with get_client(sync_client=True) as client:
        for name in names:
            client.create_flow_run_from_deployment(client.read_deployment_by_name(name).id)

def work():
    prefect("worker", "start", "--pool", "default", "--run-once", "--prefetch-seconds", "120")
    with get_client(sync_client=True) as client:
        runs = sorted(client.read_flow_runs(), key=lambda r: (r.start_time is None, r.start_time))
        return [[r.state.name, sorted(l.message for l in client.read_logs()
                                      if l.flow_run_id == r.id and ": stage " in l.message), said]
                for r in runs]

def edit(name):
    with get_client(sync_client=True) as client:
        (found,) = [d for d in client.read_deployments() if d.name == name]
        client.update_deployment(found.id, DeploymentUpdate(parameters={"environment": "base"}, enforce_parameter_schema=False))

def notices():
    done = subprocess.run(["mlspec", "plan", "--json"], cwd=root, capture_output=True, text=True)
    return json.loads(done.stdout).get("notices", [])
"""


def test_success_failure_and_deployments(orchestrated: Orchestrated, prefect: PrefectServer) -> None:
    orchestrated.spec("data: {retries: 1}", "data: {retries: 2}, gate: {retries: 2, timeout: 10m}")
    script = RUN + (
        "subprocess.run(['mlspec', 'build'], cwd=root, check=True, capture_output=True)\n"
        "spec.loader.exec_module(flow)\n"
        "with get_client(sync_client=True) as client:\n"
        "    client.create_concurrency_limit(tag=flow.TAG, concurrency_limit=1)\n"
        "base, prod = run(), run(environment='prod')\n"
        "deploy()\n"
        "deployed, same = deployments(), notices()\n"
        "edit('prod')\n"
        "print(json.dumps([base, prod, deployed, same, notices(), limits(), overlaps()]))\n"
    )
    base, prod, deployed, same, edited, limits, overlaps = prefect.python(orchestrated, script)
    assert base["state"] == "Completed"
    assert base["tasks"] == dict.fromkeys(["data", "train", "evaluate", "gate", "export"], "Completed")
    assert base["tags"] == ["gpu", "mlspec:prices"]
    assert overlaps == 0, "the tag has a concurrency limit of 1"
    assert limits == {"base": [1, "ENQUEUE"], "prod": [1, "ENQUEUE"]}
    artifacts = base["artifacts"]
    assert {"mlspec-prices-evaluate", "mlspec-prices-gate", "mlspec-prices-report", "mlspec-prices-results"} <= set(
        artifacts
    )
    assert "All gates passed" in artifacts["mlspec-prices-results"]
    assert (orchestrated.root / ".mlspec/reports/report.html").as_uri() in artifacts["mlspec-prices-report"]
    assert (orchestrated.root / ".mlspec/reports/prod/report.html").as_uri() in prod["artifacts"][
        "mlspec-prices-prod-report"
    ]
    assert '"name": "r2 > 0.5"' in artifacts["mlspec-prices-gate"]

    assert prod["state"] == "Failed"
    assert prod["tasks"]["gate"] == "Failed"
    assert prod["tries"]["gate"] == 1, "another try would end in the same way"
    assert prod["tasks"]["export"] in ("NotReady", "Pending")
    assert "gate failed: 1 of 2 gates failed: r2" in prod["message"]

    at = [{"prefect.deployments.steps.set_working_directory": {"directory": os.path.realpath(orchestrated.root)}}]
    entry = "orchestrate/prefect/flow.py:pipeline"
    assert deployed == {
        "base": [{"environment": None, "release": False}, "default", ["0 3 * * 1"], at, entry],
        "prod": [{"environment": "prod", "release": False}, "default", [], at, entry],
    }
    assert same == [], "mlspec plan compares the server with prefect.yaml"
    assert edited == [
        'the deployment prod differs on the server in parameters ({"environment": "base"}): prefect deploy --all'
    ]


def test_a_stage_that_breaks_is_tried_again_and_a_fault_of_the_spec_is_not(
    orchestrated: Orchestrated, prefect: PrefectServer
) -> None:
    script = RUN + (
        "(root / 'data/prices.csv').unlink()\n"
        "shutil.rmtree(root / '.dvc/cache')\n"
        "broken = run()\n"
        "text = (root / 'mlproject.yaml').read_text()\n"
        "(root / 'mlproject.yaml').write_text(text.replace('max_epochs: 12', 'max_epochs: -1'))\n"
        "print(json.dumps([broken, run()]))\n"
    )
    broken, faulty = prefect.python(orchestrated, script)
    assert (broken["state"], broken["tasks"]["data"], broken["tries"]["data"]) == ("Failed", "Failed", 2)
    assert (faulty["state"], faulty["tasks"]) == ("Failed", {})
    assert "`train.max_epochs` must be at least 1, not -1" in faulty["message"]


def test_workers_that_clone_a_repository_share_results_by_the_remote(
    published: Published, prefect: PrefectServer
) -> None:
    published.refuse_changes()
    script = RUN + (
        "deploy()\n"
        "same = notices()\n"
        "start('prices/base', 'prices/base')\n"
        "runs = [work(), work()]\n"
        "text = (root / 'mlproject.yaml').read_text()\n"
        '(root / \'mlproject.yaml\').write_text(text.replace("prefect: {", "prefect: {branch: main, "))\n'
        "print(json.dumps([same, runs, notices()]))\n"
    )
    same, (first, second), stale = prefect.python(published.project, script)
    assert same == []
    assert [run[0] for run in first] == ["Completed", "AwaitingConcurrencySlot"], first[0][2]
    assert [run[0] for run in second] == ["Completed", "Failed"], second[0][2]
    refused = next(line for line in second[1][2].splitlines() if "cannot push dvc.lock" in line)
    assert "this branch is protected" in refused
    trained, result = (run[1] for run in second)
    assert "train: stage ran" in trained
    assert result == [f"{stage}: stage cached" for stage in sorted(STAGES)], "a new clone trains nothing"
    changed = published.proposed()
    assert "dvc.lock" in changed
    assert all(name == "dvc.lock" or name.startswith("artifacts/") for name in changed)
    assert [("pull steps" in line, "prefect deploy --all" in line) for line in stale] == [(True, True)] * 2
