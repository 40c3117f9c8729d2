"""The generated Dagster project. tests/integration/test_dagster.py runs it."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.parts.targets import BASE, files

AT = "orchestrate/dagster/"
DEFS = f"{AT}src/mlspec_cola/defs/pipeline/defs.yaml"


def test_the_layout_is_that_of_a_dagster_project(tmp_path: Path) -> None:
    generated = files(tmp_path, "orchestrate: {dagster: {}}\n")
    assert {path.removeprefix(AT) for path in generated if path.startswith("orchestrate/")} == {
        "pyproject.toml",
        "src/mlspec_cola/__init__.py",
        "src/mlspec_cola/definitions.py",
        "src/mlspec_cola/components/__init__.py",
        "src/mlspec_cola/components/mlspec_pipeline.py",
        "src/mlspec_cola/defs/__init__.py",
        "src/mlspec_cola/defs/pipeline/defs.yaml",
    }
    assert not any(path.startswith("orchestrate/") for path in files(tmp_path, "train: {}\n"))
    assert (Path(DEFS).parent / yaml.safe_load(generated[DEFS])["attributes"]["project"]).resolve() == Path.cwd()


def test_options_are_those_of_the_spec(tmp_path: Path) -> None:
    text = (
        'orchestrate: {dagster: {schedule: "0 3 * * 1", new_data: false}}\n'
        "environments:\n  prod: {model: {dropout: 0.2}}\n"
    )
    assert yaml.safe_load(files(tmp_path, text)[DEFS])["attributes"] == {
        "project": "../../../../../..",
        "partitions": {"base": "", "prod": "prod"},
        "schedule": "0 3 * * 1",
    }


def test_other_stages_change_no_file(tmp_path: Path) -> None:
    """Dagster loads the stages from mlspec."""
    few = files(tmp_path, "orchestrate: {dagster: {}}\n")
    many = files(tmp_path, "orchestrate: {dagster: {}}\ntrain: {}\nevaluate: {gates: {f1: '> 0.5'}}\n", BASE)
    assert {p: t for p, t in few.items() if p.startswith(AT)} == {p: t for p, t in many.items() if p.startswith(AT)}
