"""Settings, data and the user's code to the name of a run, by which a killed one is found again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from mlspec.job import Job
from mlspec.sections.metric_names import MEASURED
from mlspec.sections.model import Custom, ModelSpec, TextClassifier
from mlspec.source import reads
from mlspec.source.module_imports import Imports
from mlspec.watch import paused

_DATA = ("train.parquet", "valid.parquet", "schema.json")
_FREE = frozenset({"workers", "log_every"})
_FREE_OF_CHECKPOINT = frozenset({"every", "every_steps"})
"""Not `devices` and its like: a resumed run counts the batches of each process."""


def fingerprint(job: Job) -> str:
    """What a resumed run must have in common with the one that was killed: settings, data, and the user's code."""
    digest = hashlib.sha256()
    said = [job.config.get("model"), _settings(job), _measured(job), str(job.outputs)]
    digest.update(json.dumps(said, sort_keys=True).encode())
    with paused():  # some of these files may be no input of the training
        for path in _files(job):
            if path.is_file():
                with path.open("rb") as file:
                    digest.update(f"{path}\0".encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _files(job: Job) -> Iterator[Path]:
    """Everything that training reads."""
    yield from (job.inputs / "data" / name for name in _DATA)
    model = job.need(ModelSpec)
    if isinstance(model, TextClassifier) and model.pretrained is not None:
        yield from sorted((job.root / model.pretrained).rglob("*"))
    if isinstance(model, Custom):
        modules = [path.partition(":")[0] for path in model.code if path]
        files = Imports(job.root).of_modules(modules)
        yield from (job.root / path for path in files)
        # Modules whose names are computed, which cannot be followed, mostly lie beside the one that loads them.
        folders = {(job.root / path).parent for path in files} - {job.root}
        yield from sorted(file for folder in folders for file in folder.rglob("*.py"))
    if (job.root / reads.FILE).is_file():
        known = reads.parse((job.root / reads.FILE).read_text(encoding="utf-8"))
        yield from (file for path in known.get("train", ()) for file in _below(job.root / path))


def _below(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _settings(job: Job) -> object:
    """The section `train` without what may differ between a killed run and the one that resumes it."""
    section = job.config.get("train")
    if not isinstance(section, dict):
        return section
    kept = {key: value for key, value in section.items() if key not in _FREE}
    return {**kept, "checkpoint": _without(kept.get("checkpoint"), _FREE_OF_CHECKPOINT)}


def _without(values: object, keys: frozenset[str]) -> object:
    return {key: value for key, value in values.items() if key not in keys} if isinstance(values, dict) else values


def _measured(job: Job) -> list[object]:
    """What a metric's name means; another list of metrics changes none of them."""
    section = job.config.get("evaluate")
    return [section.get(key) for key in MEASURED] if isinstance(section, dict) else []
