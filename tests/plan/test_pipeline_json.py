"""The pipeline as JSON: what orchestrators read, and when the version of a stage's code changes."""

from __future__ import annotations

import json

from mlspec.plan.pipeline_json import PipelineStageJson, pipeline_json
from mlspec.plan.stage import Output, Stage, StageCheck, StageResources

TRAIN = Stage(
    "train",
    "Train",
    "train",
    ("data/rows.csv", "src/model.py"),
    (Output("model.ckpt"), Output("metrics.json", "metric")),
    ("train.max_epochs",),
    ("gpu",),
    version=2,
    resources=StageResources(timeout=60, gpus=1),
)
GATE = Stage("gate", "Judge", "evaluate", ("metrics.json",), checks=(StageCheck("gate_f1", "f1 > 0"),), judges="train")
FILES = {"data/rows.csv": b"1", "src/model.py": b"x = 1"}


def rows(values: dict[str, object], files: dict[str, bytes] = FILES) -> list[PipelineStageJson]:
    return pipeline_json([TRAIN, GATE], values, files.get)


def test_everything_that_is_needed_to_run_the_stages_one_by_one() -> None:
    train, gate = rows({"train": {"max_epochs": 3}})
    assert json.loads(json.dumps(train)) == train
    assert (train["stage"], train["command"], train["after"]) == ("train", "mlspec run train", [])
    assert train["outputs"] == [{"path": "model.ckpt", "kind": "out"}, {"path": "metrics.json", "kind": "metric"}]
    assert (train["needs"], train["effects"], train["judges"]) == (["gpu"], False, None)
    needs = {"timeout": 60, "retries": 0, "retry_delay": 60, "cpus": None, "memory": None, "gpus": 1}
    assert train["resources"] == needs
    assert (gate["after"], gate["judges"]) == (["train"], "train")
    assert gate["checks"] == [{"name": "gate_f1", "text": "f1 > 0"}]


def test_the_version_of_the_code_changes_with_code_and_settings_and_not_with_data() -> None:
    usual = rows({"train": {"max_epochs": 3}})[0]["code_version"]
    assert usual.startswith("2-")
    assert rows({"train": {"max_epochs": 3, "workers": 1}})[0]["code_version"] == usual
    assert rows({"train": {"max_epochs": 3}}, {**FILES, "data/rows.csv": b"2"})[0]["code_version"] == usual
    assert rows({"train": {"max_epochs": 4}})[0]["code_version"] != usual
    assert rows({"train": {"max_epochs": 3}}, {**FILES, "src/model.py": b"x = 2"})[0]["code_version"] != usual
    assert rows({"train": {"max_epochs": 3}}, {})[0]["code_version"] != usual
    assert rows({})[0]["code_version"] != usual
