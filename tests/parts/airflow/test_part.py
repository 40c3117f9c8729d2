"""The generated DAG. tests/integration/test_airflow.py runs it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from tests.parts.targets import BASE, files

DAG = "orchestrate/airflow/mlspec_cola.py"


def test_the_options_of_the_spec_are_in_the_dag(tmp_path: Path) -> None:
    text = (
        'orchestrate: {airflow: {schedule: "0 3 * * 1"}}\ntrain: {}\n'
        "run: {retries: 1, resources: {train: {retries: 2, timeout: 1h}}}\n"
        "environments:\n  prod: {model: {dropout: 0.2}}\n"
    )
    generated = files(tmp_path, text)[DAG]
    assert 'schedule="0 3 * * 1"' in generated
    assert 'enum=[None, "prod"]' in generated
    assert '"--push"' not in generated
    data, train = stages_in(generated)
    assert (data["stage"], data["after"], data["retries"], data["timeout"]) == ("data", [], 1, None)
    assert (train["stage"], train["after"], train["retries"], train["timeout"]) == ("train", ["data"], 2, 3600)


def stages_in(text: str) -> Any:
    """The list STAGES, read without Airflow."""
    (value,) = [
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "STAGES"
    ]
    assert value is not None
    return ast.literal_eval(value)


def test_a_stage_with_effects_has_no_task(tmp_path: Path) -> None:
    text = "orchestrate: {airflow: {}}\ntrain: {}\ntrack: {mlflow: {uri: 'http://127.0.0.1'}}\n"
    assert "track" not in [stage["stage"] for stage in stages_in(files(tmp_path, text)[DAG])]
    assert DAG not in files(tmp_path, "train: {}\n")


def test_results_are_pushed_where_the_spec_asks_for_it(tmp_path: Path) -> None:
    base = BASE.replace("  source: data/cola.csv\n", "  source: data/cola.csv\n  remote: s3://bucket/dvc\n")
    assert '"--push"' in files(tmp_path, "orchestrate: {airflow: {push: true}}\n", base)[DAG]


def test_tasks_in_clones_need_no_folder_of_the_project(tmp_path: Path) -> None:
    base = BASE.replace("  source: data/cola.csv\n", "  source: data/cola.csv\n  remote: s3://bucket/dvc\n")
    options = "{repository: 'https://example.org/a/b', branch: main, propose: true}"
    limits = "train: {}\nrun: {resources: {data: {timeout: 10m}, train: {timeout: 1h}}}\n"
    generated = files(tmp_path, f"orchestrate: {{airflow: {options}}}\n{limits}", base)[DAG]
    assert [stage["timeout"] for stage in stages_in(generated)] == [600, 4200], "`data` may run again in its clone"
    assert "ROOT" not in generated
    assert "max_active_tasks" not in generated, "they share no folder"
    assert 'BRANCH: str | None = "main"' in generated
    assert 'task_id="propose"' in generated
    compile(generated, DAG, "exec")
