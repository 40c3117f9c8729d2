"""The generated flow and `prefect.yaml`. tests/integration/test_prefect.py runs them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.parts.targets import BASE, files, write

PROD = "environments:\n  prod: {model: {dropout: 0.2}}\n"


def test_a_deployment_for_each_environment(tmp_path: Path) -> None:
    generated = files(tmp_path, 'orchestrate: {prefect: {schedule: "0 3 * * 1", work_pool: gpus}}\n' + PROD)
    document = yaml.safe_load(generated["prefect.yaml"])
    assert "pull" not in document, "Prefect sets the folder that `prefect deploy` runs in"
    base, prod = document["deployments"]
    assert (base["name"], base["parameters"]) == ("base", {"environment": None, "release": False})
    assert (prod["name"], prod["parameters"]) == ("prod", {"environment": "prod", "release": False})
    assert base["schedules"] == [{"cron": "0 3 * * 1", "timezone": "UTC"}]
    assert "schedules" not in prod, "one training at a time"
    assert prod["work_pool"] == {"name": "gpus"}
    assert prod["entrypoint"] == "orchestrate/prefect/flow.py:pipeline"


@pytest.mark.parametrize("folder", ["", "models/cola"])
def test_workers_clone_the_repository_and_go_to_the_folder_of_the_project(folder: str, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    root = tmp_path / folder
    root.mkdir(parents=True, exist_ok=True)
    base = BASE.replace("  source: data/cola.csv\n", "  source: data/cola.csv\n  remote: s3://bucket/dvc\n")
    text = "orchestrate: {prefect: {repository: 'https://example.org/a/b', branch: main}}\n"
    clone, pull, place = yaml.safe_load(files(root, text, base)["prefect.yaml"])["pull"]
    at = "{{ clone.directory }}" + (f"/{folder}" if folder else "")
    assert clone["prefect.deployments.steps.git_clone"] == {
        "id": "clone",
        "repository": "https://example.org/a/b",
        "branch": "main",
    }
    assert place["prefect.deployments.steps.set_working_directory"] == {"directory": at}
    assert pull["prefect.deployments.steps.run_shell_script"] == {
        "script": "dvc pull --allow-missing --run-cache",
        "directory": at,
    }


@pytest.mark.parametrize(
    ("options", "pushes"),
    [
        ("repository: 'https://example.org/a/b'", True),
        ("repository: 'https://example.org/a/b', push: false", False),
        ("push: true", True),
        ("work_pool: x", False),
    ],
)
def test_results_are_pushed_by_default_where_the_clone_is_deleted(options: str, pushes: bool, tmp_path: Path) -> None:
    base = BASE.replace("  source: data/cola.csv\n", "  source: data/cola.csv\n  remote: s3://bucket/dvc\n")
    generated = files(tmp_path, f"orchestrate: {{prefect: {{{options}}}}}\n", base)
    assert ('"--push"' in generated["orchestrate/prefect/flow.py"]) is pushes


def test_other_stages_change_no_file(tmp_path: Path) -> None:
    """The flow loads the stages from mlspec."""
    few = files(tmp_path, "orchestrate: {prefect: {}}\n")
    many = files(tmp_path, "orchestrate: {prefect: {}}\ntrain: {}\n")
    for path in ("prefect.yaml", "orchestrate/prefect/flow.py"):
        assert few[path] == many[path]
    write(tmp_path, "orchestrate: {prefect: {}}\n")
    compile((tmp_path / "orchestrate/prefect/flow.py").read_text(), "flow.py", "exec")
