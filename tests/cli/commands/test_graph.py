"""`mlspec graph`: what it draws, and what programs read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.cli.app import main
from tests.parts.projects import numbers

ENVIRONMENT = "environments:\n  prod: {train: {max_epochs: 99}}\n"


def graph(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main(["graph", "--json", "--spec", str(root / "mlproject.yaml"), *words]) == 0
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


def test_a_program_finds_everything_to_run_the_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers(tmp_path, "evaluate: {gates: {r2: '> 0.5', mae: '< 9'}}\n" + ENVIRONMENT)
    document = graph(tmp_path, capsys)
    assert (document["project"], document["environment"]) == ("prices", None)
    stages = {stage["stage"]: stage for stage in document["stages"]}  # type: ignore[attr-defined]
    assert list(stages) == ["data", "train", "evaluate", "gate"]
    assert stages["gate"]["judges"] == "evaluate"
    assert stages["gate"]["checks"] == [
        {"name": "gate_r2", "text": "r2 > 0.5"},
        {"name": "gate_mae", "text": "mae < 9"},
    ]
    assert [check["name"] for check in stages["data"]["checks"]] == ["data_checks"]

    changed = graph(tmp_path, capsys, "--env", "prod")
    assert changed["environment"] == "prod"
    versions = {stage["stage"]: stage["code_version"] for stage in changed["stages"]}  # type: ignore[attr-defined]
    assert versions["train"] != stages["train"]["code_version"]
    assert versions["data"] == stages["data"]["code_version"]


def test_names_of_checks_are_unique(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers(tmp_path, "evaluate: {slices: [town], gates: {'r2@town=Ulm': '> 0.1', 'r2@town=*': '> 0', r2: '> 0'}}\n")
    gate = next(s for s in graph(tmp_path, capsys)["stages"] if s["stage"] == "gate")  # type: ignore[attr-defined]
    assert [check["name"] for check in gate["checks"]] == ["gate_r2_town_ulm", "gate_r2_town", "gate_r2"]
    spec = tmp_path / "mlproject.yaml"
    spec.write_text(spec.read_text().replace("'r2@town=*'", "'r2@town=ulm'"))
    gate = next(s for s in graph(tmp_path, capsys)["stages"] if s["stage"] == "gate")  # type: ignore[attr-defined]
    assert [check["name"] for check in gate["checks"]] == ["gate_r2_town_ulm", "gate_r2_town_ulm_2", "gate_r2"]
