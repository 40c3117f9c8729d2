"""Which key of the spec changes the weights: the stages `data` and `train` depend on those and on no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.sections.data import DataSpec
from mlspec.sections.model import Custom
from mlspec.sections.train import Checkpoint, TrainSpec
from tests.parts.projects import raw

CHANGES_THE_WEIGHTS: dict[str, str] = {
    "data.source": "yes",
    "data.sha256": "no: a digest of a remote source, whose file is an input itself",
    "data.deps": "no: they are inputs themselves",
    "data.collected": "no: its files are inputs themselves",
    "data.format": "yes",
    "data.inputs": "yes",
    "data.target": "yes",
    "data.split": "yes",
    "data.checks": "yes: rows that fail one stop the stage",
    "data.remote": "no: where DVC keeps copies",
    "data.track": "no: who keeps the raw files",
    "model.type": "yes",
    "model.class": "yes",
    "model.args": "yes",
    "model.datamodule": "yes",
    "model.datamodule_args": "yes",
    "model.preprocess": "yes",
    "model.compare_inputs": "no: whether a difference is an error or a warning",
    "model.trust": "no: whether a pickle is refused",
    "model.max_length": "yes, if an input is text",
    "model.vocab_size": "yes, if an input is text",
    "train.max_epochs": "yes",
    "train.max_steps": "yes",
    "train.batch_size": "yes",
    "train.drop_last": "yes, if the last batch is not full",
    "train.learning_rate": "yes",
    "train.optimizer": "yes",
    "train.schedule": "yes",
    "train.gradient_clip": "yes",
    "train.accumulate": "yes",
    "train.class_weights": "yes",
    "train.precision": "yes",
    "train.accelerator": "no: rounding only",
    "train.devices": "no: all devices together have the same batches and gradients",
    "train.compile": "no: rounding only",
    "train.tf32": "no: rounding only, as the device",
    "train.gradient_checkpointing": "no: when activations are computed",
    "train.strategy": "no: how the devices share the work",
    "train.workers": "no: who prepares batches",
    "train.seed": "yes",
    "train.deterministic": "yes",
    "train.max_time": "yes: it may end the training",
    "train.log_every": "no: points of a tracker's curves",
    "train.early_stopping": "yes",
    "train.tune": "yes: what it finds",
    "train.checkpoint.monitor": "yes: which epoch is kept",
    "train.checkpoint.mode": "yes: which epoch is kept",
    "train.checkpoint.every": "no: saving to resume",
    "train.checkpoint.every_steps": "no: saving to resume",
}


@pytest.fixture(scope="module")
def depended_on(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    project = raw(tmp_path_factory.mktemp("raw"))
    stages = compile_project(project.root / "mlproject.yaml").plan.stages
    return {key for stage in stages if stage.name in ("data", "train") for key in stage.params}


def test_every_key_is_classified() -> None:
    sections = {"data": DataSpec, "model": Custom, "train": TrainSpec, "train.checkpoint": Checkpoint}
    keys = {f"{at}.{field.alias or name}" for at, spec in sections.items() for name, field in spec.model_fields.items()}
    assert keys - {"train.checkpoint"} == set(CHANGES_THE_WEIGHTS)


@pytest.mark.parametrize("key", CHANGES_THE_WEIGHTS)
def test_a_stage_depends_on_what_changes_the_weights(key: str, depended_on: set[str]) -> None:
    assert (key in depended_on) is CHANGES_THE_WEIGHTS[key].startswith("yes")


def test_mlspec_s_own_models_depend_on_the_whole_section(tmp_path: Path) -> None:
    from tests.parts.projects import numbers

    stages = compile_project(numbers(tmp_path).root / "mlproject.yaml").plan.stages
    assert "model" in next(stage for stage in stages if stage.name == "train").params
