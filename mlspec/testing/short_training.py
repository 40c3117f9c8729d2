"""A training of a few steps with the settings of the project, and its model before any training."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
import torch
from pydantic import JsonValue

from mlspec.job import Job
from mlspec.learning.build import custom
from mlspec.parts.train.part import PROGRAMS
from mlspec.records.schema import Schema
from mlspec.sections.model import Custom
from mlspec.testing.composed_settings import composed, validated


def untrained_module(root: Path, schema: Mapping[str, object], seed: int) -> torch.nn.Module:
    """A new module of `model.class` of the project in `root`, in evaluation mode.

    `schema` are the contents of `schema.json`.
    """
    model = validated(composed(root))["model"]
    assert isinstance(model, Custom), "only a model with `model.class` has a module of the project's own"
    pl.seed_everything(seed, workers=True, verbose=False)
    module: torch.nn.Module = custom(model.class_, model.args, Schema.model_validate(schema), root)
    return module.eval()


def train_briefly(root: Path, outputs: Path, steps: int = 2) -> dict[str, torch.Tensor]:
    """Train the project in `root` for a few steps on the CPU, without a tracker; the weights afterwards.

    It reads `artifacts/data`, as the stage `train` does, and writes to `outputs`. Raises StageError.
    """
    values = composed(root)
    values.pop("track", None)
    values["train"] = {**_mapping(values.get("train")), **_short(values, steps)}
    sections = validated(values)
    module, _, name = PROGRAMS["train"].partition(":")
    with _settings_of_torch():
        getattr(importlib.import_module(module), name)(Job(root, root / "artifacts", outputs, values, sections))
    checkpoint = torch.load(outputs / "model" / "best.ckpt", map_location="cpu", weights_only=True)
    state: dict[str, torch.Tensor] = checkpoint["state_dict"]
    return state


def _short(values: Mapping[str, JsonValue], steps: int) -> dict[str, JsonValue]:
    precision = _mapping(values.get("train")).get("precision", "32-true")
    return {
        "max_epochs": 1,
        "max_steps": steps,
        "accelerator": "cpu",
        "devices": 1,
        "strategy": "auto",
        "workers": 0,
        "compile": "off",
        "tune": "off",
        "precision": "32-true" if precision in ("16-mixed", "auto") else precision,  # 16-mixed needs a GPU
    }


def _mapping(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


@contextmanager
def _settings_of_torch() -> Iterator[None]:
    """Restore the settings of torch that a training changes for its process."""
    deterministic, threads = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)
