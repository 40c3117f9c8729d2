"""Every workflow of every example, executed by act for each of its events: all jobs are green, and every step runs.

The programs are stand-ins that record each call: this proves the files of GitHub's language (conditions, needs, outputs,
expressions) and the scripts. What the real programs do in them is in `test_workflow_runs.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from mlspec.compiler import compile_project
from mlspec.starters import STARTERS, contents
from tests.conftest import CHECKOUT
from tests.integration.test_github import CASES
from tests.workflow_runner import WorkflowResult, Workflows, act_program, recorded_programs, step_name

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
    ;;
  "apply --until image"*)
    mkdir -p artifacts
    for name in image.json function.zip; do echo made > "artifacts/$name"; done
    ;;
  "releases"*) echo "1  live" ;;
esac
"""
DVC = """\
case "$*" in
  "repro"*)
    mkdir -p artifacts/metrics
    echo "lock of this training" > dvc.lock
    echo '{}' > artifacts/metrics/evaluate.json
    ;;
  "metrics"*) echo "| accuracy |" ;;
esac
"""
DOCKER = """\
case "$1" in
  create) echo container ;;
  save) echo layers ;;
esac
"""
PYTEST = """\
if [ "$1 $2" = "-m pytest" ]; then
  echo '<testsuites><testsuite><testcase name="a"/></testsuite></testsuites>' > pytest.xml
  exit 0
fi
"""
PULL_REQUEST = {
    "number": 7,
    "pull_request": {"number": 7, "head": {"ref": "topic", "repo": {"fork": False}}, "base": {"ref": "main"}},
}


@dataclass
class Execution:
    """One workflow, and the steps of its jobs that ran for any event."""

    name: str
    jobs: dict[str, Any]
    results: dict[str, WorkflowResult]

    def missed(self) -> Iterator[str]:
        """The steps that no event ran."""
        for job, content in self.jobs.items():
            names = {step_name(step) for step in content["steps"]}
            ran = {step for result in self.results.values() for step in result.steps.get(job, {})}
            yield from (f"{job}: {name}" for name in sorted(names - ran))


def examples() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Every example: its name, and its files by path in its repository."""
    for name, (base, text) in CASES.items():
        folder = "ml/cola/" if "subfolder" in name else ""
        yield name, {f"{folder}mlproject.yaml": f"{base}{text}".encode()}
    for spec in sorted((CHECKOUT / "specs").rglob("mlproject.yaml")):
        root = next(folder for folder in spec.parents if folder.parent.name == "specs")
        files = (file for file in root.rglob("*") if file.is_file())
        yield f"spec {root.name}", {file.relative_to(root).as_posix(): file.read_bytes() for file in files}
    for starter in STARTERS:
        files = contents(starter, starter).items()
        yield f"starter {starter}", {path: content for path, content in files if not path.startswith("data/")}


def projects(folder: Path) -> Iterator[tuple[str, Path]]:
    """The project's name and the repository of every example, built; with the section `ci`."""
    for name, files in examples():
        root = folder / re.sub(r"\W+", "-", name)
        for path, content in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        spec = next(root.rglob("mlproject.yaml"))
        if "\nci:" not in spec.read_text(encoding="utf-8"):
            spec.write_text(f"{spec.read_text(encoding='utf-8')}\nci: {{github: {{}}}}\n", encoding="utf-8")
        (root / ".git").mkdir()
        built = compile_project(spec)
        for file in built.files:
            path = (root if file.anchor == "repository" else spec.parent) / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
        (root / ".git").rmdir()
        yield built.project.info.name, root


def events(workflow: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a workflow, each with a payload."""
    triggers = yaml.safe_load(workflow.read_text(encoding="utf-8"))[True]  # YAML 1.1 reads `on` as true
    for name in triggers:
        inputs = (triggers[name] or {}).get("inputs", {}) if name == "workflow_dispatch" else {}
        chosen = {key: str(value.get("default", "")).lower() for key, value in inputs.items()}
        yield name, {"inputs": chosen, **(PULL_REQUEST if name == "pull_request" else {})}


def execute(repository: Workflows, workflow: Path) -> Execution:
    """Run a workflow for each of its events."""
    path = workflow.relative_to(repository.root).as_posix()
    results = {event: repository.run(path, event, **payload) for event, payload in events(workflow)}
    return Execution(f"{repository.root.name}/{workflow.name}", repository.jobs(path), results)


@pytest.fixture(scope="module")
def executions(tmp_path_factory: pytest.TempPathFactory) -> list[Execution]:
    """Each distinct workflow once: those of two examples often differ only in the project's name."""
    act_program()
    folder, work = tmp_path_factory.mktemp("every"), []
    seen: set[str] = set()
    for name, root in projects(folder):
        repository = Workflows(root, folder / f"run-{root.name}")
        recorded_programs(repository.folder / "bin", {"mlspec": MLSPEC, "dvc": DVC, "docker": DOCKER}, PYTEST)
        repository.commit()
        for workflow in sorted((root / ".github" / "workflows").glob("*.yaml")):
            text = workflow.read_text(encoding="utf-8").replace(name, "NAME")
            if text not in seen:
                work.append((repository, workflow))
            seen.add(text)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda pair: execute(*pair), work))


def test_all_jobs_are_green(executions: list[Execution]) -> None:
    for execution in executions:
        for event, result in execution.results.items():
            assert result.code == 0, (execution.name, event, str(result))
            assert set(result.jobs.values()) == {"success"}, (execution.name, event)


def test_every_step_is_executed(executions: list[Execution]) -> None:
    missed = {f"{execution.name}: {step}" for execution in executions for step in execution.missed()}
    assert {step for step in missed if step.rpartition(": ")[2] not in NOT_RUN} == set()
    assert len(executions) > 15
