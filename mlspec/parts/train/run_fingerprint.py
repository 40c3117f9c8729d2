"""A fingerprint of settings, data and the user's code, by which an interrupted run is recognised."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlspec.job import Job
from mlspec.learning.checkpoint_files import FORMAT
from mlspec.sections.metric_names import MEASURED
from mlspec.sections.model import Custom, ModelSpec, TextClassifier
from mlspec.sections.train import TrainSpec
from mlspec.source import reads
from mlspec.source.module_imports import Imports
from mlspec.watch import paused

_DATA = ("train.parquet", "valid.parquet", "schema.json")
_FREE = frozenset({"workers", "log_every"})
_OF_STEPS = (
    "batch_size", "accumulate", "accelerator", "devices", "strategy", "compile", "gradient_checkpointing",
    "deterministic", "class_weights", "workers",
)  # fmt: skip
"""Keys of `train` that change how long a step takes."""
_FREE_OF_CHECKPOINT = frozenset({"every", "every_steps"})
"""Without `devices` and similar keys: a resumed run counts the batches of each process."""


def fingerprint(job: Job) -> str:
    """A digest of everything that a resumed run must share with the interrupted one: settings, data, user code.

    Paths count from the root of the project, which may lie in another folder when the run resumes: another runner's,
    or a container's.
    """
    contents = [FORMAT, _model(job), _settings(job), _measured(job), os.path.relpath(job.outputs, job.root)]
    return _digest(job.root, contents, [*(job.inputs / "data" / name for name in _DATA), *_code(job)])


def of_steps(job: Job, shapes: object) -> str:
    """A digest of what decides how long a step takes: the model, settings of the step, and the shapes of the rows.

    Not what the jobs of a sweep differ in for the most part: learning rate, schedule, seed, dropout, output folder.
    """
    train, model = job.need(TrainSpec), _model(job)
    if isinstance(model, dict) and isinstance(model.get("dropout"), float | int):
        model = {**model, "dropout": model["dropout"] > 0}
    settings = [getattr(train, name) for name in _OF_STEPS]
    return _digest(job.root, [model, settings, train.optimizer.type, train.gradient_clip > 0, shapes], _code(job))


def _digest(root: Path, contents: object, files: Iterable[Path]) -> str:
    digest = hashlib.sha256(json.dumps(contents, sort_keys=True).encode())
    with paused():  # some of these files may not be inputs of the training
        for path in files:
            if path.is_file():
                with path.open("rb") as file:
                    name = os.path.relpath(path, root)
                    digest.update(f"{name}\0".encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _code(job: Job) -> Iterator[Path]:
    """All files that training reads, beside its data."""
    model = job.need(ModelSpec)
    if isinstance(model, TextClassifier) and model.pretrained is not None:
        yield from sorted((job.root / model.pretrained).rglob("*"))
    if isinstance(model, Custom):
        modules = [path.partition(":")[0] for path in model.code if path]
        files = Imports(job.root).of_modules(modules)
        yield from (job.root / path for path in files)
        # Dynamically imported modules are unknown, but mostly lie beside the module that imports them.
        folders = {(job.root / path).parent for path in files} - {job.root}
        yield from sorted(file for folder in folders for file in folder.rglob("*.py"))
    if (job.root / reads.FILE).is_file():
        known = reads.parse((job.root / reads.FILE).read_text(encoding="utf-8"))
        yield from (file for path in known.get("train", ()) for file in _below(job.root / path))


def _below(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _settings(job: Job) -> object:
    """The section `train` without the keys that may change when a run resumes."""
    section = job.config.get("train")
    if not isinstance(section, dict):
        return section
    settings = {key: value for key, value in section.items() if key not in _FREE}
    return {**settings, "checkpoint": _without(settings.get("checkpoint"), _FREE_OF_CHECKPOINT)}


def _model(job: Job) -> object:
    """The section `model` without the permission to load pickles."""
    return _without(job.config.get("model"), frozenset({"trust"}))


def _without(values: object, keys: frozenset[str]) -> object:
    return {key: value for key, value in values.items() if key not in keys} if isinstance(values, dict) else values


def _measured(job: Job) -> list[object]:
    """The keys of `evaluate` that change the meaning of a metric."""
    section = job.config.get("evaluate")
    return [section.get(key) for key in MEASURED] if isinstance(section, dict) else []
