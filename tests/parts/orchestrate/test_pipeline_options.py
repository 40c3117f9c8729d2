"""What the files of all orchestrators are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.parts.orchestrate import pipeline_options
from mlspec.sections.orchestrate import Dagster, Orchestrate
from mlspec.spec.project import Project
from tests.parts.targets import BASE, build

ENVIRONMENTS = "environments:\n  prod: {model: {dropout: 0.2}}\n"


def project(folder: Path, text: str, base: str = BASE) -> tuple[Project, Dagster]:
    built = build(folder, text, base).project
    options = built.need(Orchestrate).dagster
    assert options is not None
    return built, options


def test_the_schedule_is_that_of_the_workflows_unless_it_has_its_own(tmp_path: Path) -> None:
    ci = 'ci: {github: {schedule: "0 3 * * 1"}}\n'
    assert pipeline_options.schedule(*project(tmp_path, "orchestrate: {dagster: {}}\n")) is None
    assert pipeline_options.schedule(*project(tmp_path, ci + "orchestrate: {dagster: {}}\n")) == "0 3 * * 1"
    own = 'orchestrate: {dagster: {schedule: "0 5 * * *"}}\n'
    assert pipeline_options.schedule(*project(tmp_path, ci + own)) == "0 5 * * *"


@pytest.mark.parametrize(
    ("names", "base"),
    [(["prod"], "base"), (["base"], "default"), (["base", "default"], "no-environment"), ([], "base")],
)
def test_the_spec_without_an_environment_has_a_name_that_none_has(names: list[str], base: str, tmp_path: Path) -> None:
    text = "".join(f"  {name}: {{model: {{dropout: 0.2}}}}\n" for name in names)
    created, _ = project(tmp_path, "orchestrate: {dagster: {}}\n" + ("environments:\n" + text if text else ""))
    assert pipeline_options.environments(created) == {base: None, **{name: name for name in names}}


def test_raw_data_is_watched_where_it_is_in_files(tmp_path: Path) -> None:
    created, _ = project(tmp_path, "orchestrate: {dagster: {}}\n")
    assert pipeline_options.watches_data(created)
    remote = BASE.replace("source: data/cola.csv", "source: https://example.org/cola.csv")
    created, _ = project(tmp_path, "orchestrate: {dagster: {}}\n", remote)
    assert not pipeline_options.watches_data(created)


def test_an_alarm_starts_a_training_only_where_the_spec_asks_for_one(tmp_path: Path) -> None:
    collected = BASE.replace("  source: data/cola.csv\n", "  source: data/cola.csv\n  collected: data/new\n")
    section = "train: {}\nexport: {onnx: {}}\nmonitor: {on_drift: retrain, drift: {}}\norchestrate: {dagster: {}}\n"
    assert pipeline_options.retrains(project(tmp_path, section, collected)[0])
    assert not pipeline_options.retrains(project(tmp_path, section.replace("retrain", "alert"), collected)[0])


def test_a_name_becomes_an_identifier() -> None:
    assert pipeline_options.identifier("cola-classifier.v2") == "cola_classifier_v2"
