"""The generated DAG. tests/integration/test_airflow.py runs it."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.parts.targets import files

DAG = "orchestrate/airflow/mlspec_cola.py"


def test_the_options_of_the_spec_are_in_the_dag(tmp_path: Path) -> None:
    text = (
        'orchestrate: {airflow: {schedule: "0 3 * * 1", retries: 2, timeout: 1h}}\n'
        "environments:\n  prod: {model: {dropout: 0.2}}\n"
    )
    made = files(tmp_path, text)[DAG]
    ast.parse(made)
    for line in (
        'schedule="0 3 * * 1"',
        "TIMEOUT = 3600",
        '"retries": 2, "retry_delay": timedelta(seconds=60)',
        'enum=[None, *["prod"]]',
    ):
        assert line in made.replace("'", '"')


def test_other_stages_change_no_file(tmp_path: Path) -> None:
    """The DAG loads the stages from mlspec."""
    few = files(tmp_path, "orchestrate: {airflow: {}}\n")
    assert files(tmp_path, "orchestrate: {airflow: {}}\ntrain: {}\n")[DAG] == few[DAG]
    assert DAG not in files(tmp_path, "train: {}\n")
