"""Every workflow of every example, executed by act for each of its events: all jobs are green, and every step runs.

The programs are stand-ins that record each call: this proves the files of GitHub's language (conditions, needs, outputs,
expressions) and the scripts. What the real programs do in them is in `test_workflow_runs.py` (every starter but `cola`,
which needs the network), `test_release.py` (an image), `test_release_tools.py` (a zip, by each tool) and
`test_retraining_workflow.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.workflow_examples import projects
from tests.workflow_runner import WorkflowResult, Workflows, act_program, recorded_programs, step_name
from tests.yaml_text import parsed

pytestmark = pytest.mark.slow
NOT_RUN: Final[Mapping[str, str]] = {}
"""Step to the reason why it cannot run on this machine."""
MLSPEC = """\
case "$*" in
  "monitor --html"*)
    mkdir -p artifacts
    echo page > artifacts/monitor.html
    echo "alarm[moved]: age moved"
    exit 4
    ;;
  "monitor retrain"*) echo '{"verdict": "waiting", "reason": "better", "waiting": true}' ;;
  "monitor approve"*)
    mkdir -p data/collected
    echo "lock of the new model" > dvc.lock
    echo rows > data/collected/rows.parquet
    mkdir -p artifacts/data
    for name in data/schema.json image.json function.zip; do echo made > "artifacts/$name"; done
    ;;
  "apply --only push"*)
    mkdir -p artifacts
    echo '{"image": {"repository": "host/cola", "digest": "sha256:1"}, "function": {"url": null}}' > artifacts/release.json
    ;;
  "apply --until image"*)
    mkdir -p artifacts
    for name in image.json function.zip; do echo made > "artifacts/$name"; done
    ;;
  "sbom"*) echo '{}' > artifacts/sbom.json ;;
  "report --markdown"*) echo "## Results" ;;
  "report"*)
    mkdir -p artifacts
    echo page > artifacts/report.html
    ;;
  "releases"*) echo "1  live" ;;
esac
"""
DVC = """\
case "$*" in
  "repro"*)
    if [ -n "$BROKEN" ]; then exit 1; fi
    mkdir -p artifacts/data
    echo "lock of this training" > dvc.lock
    echo '{}' > artifacts/data/schema.json
    ;;
  "metrics"*) echo "| accuracy |" ;;
esac
"""
GH = """\
case "$*" in
  "pr list"*) echo 0 ;;
esac
"""
DOCKER = """\
case "$1" in
  create) echo container ;;
  save) echo layers ;;
esac
"""
PROGRAMS: Final[Mapping[str, str]] = {"aws": "", "docker": DOCKER, "dvc": DVC, "gh": GH, "mlspec": MLSPEC, "npm": ""}
PYTHON = """\
if [ "$1 $2" = "-m venv" ]; then
  mkdir -p "$3"
  exit 0
fi
if [ "$1 $2" = "-m pytest" ]; then
  echo '<testsuites><testsuite><testcase name="a"/></testsuite></testsuites>' > pytest.xml
  exit 0
fi
"""
FILLED: Final[Mapping[str, str]] = {"overrides": "train.max_epochs=1 train.seed=2", "rollback": "7"}
ONLY_NAMES: Final = re.compile(r"^ +(artifacts/|options:|mlspec run ).*\n", re.MULTILINE)
"""Lines in which the workflows of two examples may differ and still be the same."""
PULL_REQUEST = {
    "number": 7,
    "pull_request": {"number": 7, "head": {"ref": "topic", "repo": {"fork": False}}, "base": {"ref": "main"}},
}


INERT: Final = frozenset(
    {"PACKAGES", "aws-region", "cache", "cache-dependency-path", "compression-level", "concurrency", "environment",
     "permissions", "retention-days", "timeout-minutes"}
)  # fmt: skip
"""Keys whose values neither act nor a stand-in reads."""
EVENT: Final = re.compile(r"github\.(event|ref|base|head)|inputs\.|env\.")
"""What makes a step depend on the event: the variables of a job have its inputs."""


def read(value: Any) -> Any:
    """A value of a workflow without the keys that nothing here reads."""
    if isinstance(value, dict):
        return {key: read(inner) for key, inner in value.items() if key not in INERT}
    return [read(inner) for inner in value] if isinstance(value, list) else value


def behaviours(jobs: Mapping[str, Any], event: str, inputs: Mapping[str, str]) -> set[str]:
    """What a run for an event can show: each job with those that it needs, and, of this event, all that depends on one."""
    plain = {name: read(job) for name, job in jobs.items()}
    shown = set()
    for name in plain:
        needed = [plain[one] for one in needs(plain, name)]
        conditions = [{**job, "steps": [s for s in job["steps"] if EVENT.search(str(s))]} for job in needed]
        shown |= {str(needed), f"{event} {sorted(inputs.items())} {conditions}"}
    return shown


def needs(jobs: Mapping[str, Any], name: str) -> list[str]:
    """A job and those that it needs, in turn."""
    needed = jobs[name].get("needs", [])
    return [name, *(one for other in ([needed] if isinstance(needed, str) else needed) for one in needs(jobs, other))]


@dataclass
class Execution:
    """One workflow, and the steps of its jobs that ran for any event."""

    name: str
    jobs: dict[str, Any]
    results: list[WorkflowResult]
    failed: list[WorkflowResult]
    """Runs in which the pipeline failed."""

    def steps(self) -> Iterator[tuple[str, str, str]]:
        """Each step of a job: the job, its name, and all that is read of it."""
        for job, content in self.jobs.items():
            yield from ((job, step_name(step), str(read(step))) for step in content["steps"])

    def ran(self) -> set[tuple[str, str, str]]:
        """The steps that an event ran."""
        ran = {(job, step) for one in (*self.results, *self.failed) for job in one.steps for step in one.steps[job]}
        return {step for step in self.steps() if step[:2] in ran}


def events(workflow: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a workflow, each with a payload; a dispatch with its defaults, then with its texts filled in."""
    triggers = parsed(workflow.read_text(encoding="utf-8"))[True]  # YAML 1.1 reads `on` as true
    for name in triggers:
        inputs = (triggers[name] or {}).get("inputs", {}) if name == "workflow_dispatch" else {}
        chosen = {key: str(value.get("default", "")).lower() for key, value in inputs.items()}
        yield name, {"inputs": chosen, "repository": {"private": False}, **(PULL_REQUEST if "pull" in name else {})}
        if filled := {key: FILLED[key] for key in chosen if key in FILLED}:
            yield name, {"inputs": chosen | filled}


@dataclass(frozen=True)
class Chosen:
    """A workflow, its jobs with no more than is compared, and the events to run it for."""

    file: Path
    jobs: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]


def execute(repository: Workflows, one: Chosen) -> Execution:
    """Run a workflow for events, and a training once with a pipeline that fails."""
    workflow, chosen = one.file, one.events
    path = workflow.relative_to(repository.root).as_posix()
    results = [repository.run(path, event, **payload) for event, payload in chosen]
    failed = []
    if chosen and workflow.stem.endswith("train"):
        broken = replace(repository, variables={"BROKEN": "1"}, runs=100)
        failed = [broken.run(path, *next(events(workflow))[:1])]
    return Execution(f"{repository.root.name}/{workflow.name}", one.jobs, results, failed)


def execute_all(repository: Workflows, workflows: list[Chosen]) -> list[Execution]:
    """Workflows of one repository, one after another."""
    return [execute(repository, workflow) for workflow in workflows]


@pytest.fixture(scope="module")
def executions(tmp_path_factory: pytest.TempPathFactory) -> list[Execution]:
    """Each distinct behaviour once: the workflows of two examples often differ only in what nothing here reads."""
    act_program()
    folder, seen, repositories = tmp_path_factory.mktemp("every"), set[str](), list[tuple[Workflows, list[Chosen]]]()
    for name, root in projects(folder):
        repository, chosen = Workflows(root, folder / f"run-{root.name}"), []
        recorded_programs(repository.folder / "bin", PROGRAMS, PYTHON)
        repository.commit()
        for workflow in sorted((root / ".github" / "workflows").glob("*.yaml")):
            text = ONLY_NAMES.sub("", workflow.read_text(encoding="utf-8").replace(name, "NAME"))
            jobs, new = parsed(text)["jobs"], []
            for event, payload in events(workflow):
                shown = behaviours(jobs, event, payload["inputs"])
                new += [] if shown <= seen else [(event, payload)]
                seen |= shown
            chosen.append(Chosen(workflow, jobs, new))
        repositories.append((repository, chosen))
    with ThreadPoolExecutor(2) as pool:
        return [execution for group in pool.map(lambda pair: execute_all(*pair), repositories) for execution in group]


def test_all_jobs_are_green(executions: list[Execution]) -> None:
    for execution in executions:
        for result in execution.results:
            assert result.code == 0, (execution.name, result)
            assert set(result.jobs.values()) == {"success"}, (execution.name, result)


def test_a_failed_pipeline_fails_the_training(executions: list[Execution]) -> None:
    failed = [result for execution in executions for result in execution.failed]
    assert len(failed) > 3
    for result in failed:
        assert result.code == 1
        assert result.jobs["train"] == "failure"
        assert "propose" not in result.jobs
        assert result.steps["train"]["Add the report to the summary"] == "success"


def test_every_step_is_executed(executions: list[Execution], capsys: pytest.CaptureFixture[str]) -> None:
    ran = {step for execution in executions for step in execution.ran()}
    every = {step for execution in executions for step in execution.steps()}
    with capsys.disabled():
        print(f"\nact executed {len(every & ran)} of the {len(every)} different steps of {len(executions)} workflows")
    assert {step for step in every - ran if step[1] not in NOT_RUN} == set()
    assert len([execution for execution in executions if execution.results]) > 15
