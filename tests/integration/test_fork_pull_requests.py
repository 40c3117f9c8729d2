"""A pull request of a fork gets no secret, no environment, no role and no right to write.

GitHub gives such a run no secrets of its own accord; here the runner offers all of them, and the conditions of the
workflows alone keep them back. act evaluates the conditions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.integration.test_every_workflow import PROGRAMS, PULL_REQUEST, PYTHON
from tests.parts.targets import BASE, LAMBDA, write
from tests.sharing import once, shared_folder
from tests.workflow_examples import CASES, projects
from tests.workflow_runner import Workflows, act_program, recorded_programs

TRAIN: Final = ".github/workflows/mlspec-train.yaml"
FOREIGN: Final = frozenset({"pull_request_target", "workflow_run", "issue_comment", "discussion_comment"})
"""Events that run with the secrets of the repository although a stranger causes them."""
PRIVILEGE: Final = re.compile(r"\$\{\{[^}]*\b(secrets|vars\.AWS)\b")
FORK: Final[Mapping[str, Any]] = {
    "number": 7,
    "pull_request": {"number": 7, "head": {"ref": "topic", "repo": {"fork": True}}, "base": {"ref": "main"}},
    "repository": {"private": False},
}


@pytest.fixture(scope="module")
def workflows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[Any, Any]]:
    """The workflows of all examples, by path."""
    root = once(shared_folder(tmp_path_factory, "linted-workflows"), lambda root: list(projects(root)))
    files = sorted(root.glob("*/.github/workflows/*.yaml"))
    assert len({file.parts[-4] for file in files}) > len(CASES)
    return {file.relative_to(root).as_posix(): yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}


def triggers(workflow: Mapping[Any, Any]) -> Mapping[str, Any]:
    """The events of a workflow: YAML 1.1 reads `on` as true."""
    events: Mapping[str, Any] = workflow[True]
    return events


def privileges(workflow: Mapping[Any, Any], job: Mapping[str, Any]) -> Iterator[str]:
    """What a job may use that a stranger must not."""
    permissions = job.get("permissions", workflow["permissions"])
    assert isinstance(permissions, dict), permissions
    yield from (f"{name}: {value}" for name, value in permissions.items() if value != "read")
    if "environment" in job:
        yield f"environment: {job['environment']}"
    yield from sorted({match[1] for match in PRIVILEGE.finditer(json.dumps([job, workflow.get("env")]))})
    if "secrets" in job or not str(job["runs-on"]).startswith("ubuntu"):
        yield "secrets of a called workflow, or a runner of one's own"


def test_no_workflow_runs_for_a_stranger_with_the_secrets_of_the_repository(
    workflows: dict[str, dict[Any, Any]],
) -> None:
    assert not {path for path, workflow in workflows.items() if FOREIGN & set(triggers(workflow))}


def test_only_jobs_without_any_privilege_run_for_a_fork(workflows: dict[str, dict[Any, Any]], tmp_path: Path) -> None:
    """The conditions and `needs` of every job of every example; each distinct set is evaluated once."""
    act_program()
    root, folder = tmp_path / "cola", tmp_path / "run"
    file = root / ".github" / "workflows" / "conditions.yaml"
    file.parent.mkdir(parents=True)
    repository, known = Workflows(root, folder), dict[str, Mapping[str, str]]()
    kept_back = set[str]()
    for path, workflow in workflows.items():
        if "pull_request" not in triggers(workflow):
            continue
        step = {"steps": [{"run": "true"}], "runs-on": "ubuntu-24.04"}
        jobs = {
            name: {key: job[key] for key in ("if", "needs") if key in job} | step
            for name, job in workflow["jobs"].items()
        }
        text = json.dumps({"on": "pull_request", "jobs": jobs})
        if text not in known:
            file.write_text(text, encoding="utf-8")
            repository.commit()
            known[text] = repository.run(file.relative_to(root).as_posix(), "pull_request", **FORK).jobs
        for name, job in workflow["jobs"].items():
            given = list(privileges(workflow, job))
            assert not given or name not in known[text], (path, name, given)
            kept_back |= {f"{name} {each.partition(':')[0]}" for each in given}
        assert known[text] or not path.endswith("test.yaml"), f"{path}: no job runs"
    assert {"train environment", "train id-token", "train secrets", "comment pull-requests"} <= kept_back
    assert 1 < len(known) < 10


def training(tmp_path: Path, base: str, text: str) -> Workflows:
    """A repository that trains on pull requests, with recorded programs."""
    act_program()
    root, folder = tmp_path / "cola", tmp_path / "run"
    root.mkdir()
    write(root, text, base)
    recorded_programs(folder / "bin", PROGRAMS, PYTHON)
    repository = Workflows(root, folder)
    repository.commit()
    return repository


def test_a_fork_skips_the_training_that_has_secrets(tmp_path: Path) -> None:
    repository = training(tmp_path, *CASES["everything"])
    test = repository.run(TRAIN.replace("train", "test"), "pull_request", **FORK)
    assert test.jobs == {"test": "success", "dependencies": "success"}, test
    train = repository.run(TRAIN, "pull_request", **FORK)
    assert (train.code, train.jobs, train.steps) == (0, {}, {}), train
    assert repository.secrets == set()
    assert not [call for call in repository.calls if call.startswith(("role", "dvc", "gh"))]

    own = repository.run(TRAIN, "pull_request", **PULL_REQUEST)  # the same pull request from the repository itself
    assert own.jobs == {"train": "success", "comment": "success"}, own
    assert "role data-read" in repository.calls
    assert repository.secrets == {"GITHUB_TOKEN", "WANDB_API_KEY"}


def test_a_fork_trains_where_no_secret_is_needed_and_gets_no_comment(tmp_path: Path) -> None:
    repository = training(tmp_path, BASE, LAMBDA + "ci: {github: {train_on: [pull_request, dispatch]}}\n")
    result = repository.run(TRAIN, "pull_request", **FORK)
    assert result.jobs == {"train": "success"}, result
    assert result.steps["train"]["Run the pipeline"] == "success"
    assert "## Results" in result.summary["train"]
    assert repository.secrets == set()
    assert not [call for call in repository.calls if call.startswith(("role", "dvc push", "gh"))]
