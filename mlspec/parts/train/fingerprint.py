"""Settings, data and the user's code to the name of a run, by which a killed one is found again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from mlspec.job import Job
from mlspec.parts.evaluate.names import MEASURED
from mlspec.parts.model.spec import Custom, ModelSpec, TextClassifier

_DATA = ("train.parquet", "valid.parquet", "schema.json")


def fingerprint(job: Job) -> str:
    """What a resumed run must have in common with the one that was killed: settings, data, and the user's code."""
    digest = hashlib.sha256()
    evaluated = job.config.get("evaluate")
    measured = [evaluated.get(key) for key in MEASURED] if isinstance(evaluated, dict) else None
    said = [job.config.get("model"), job.config.get("train"), measured, str(job.outputs)]
    digest.update(json.dumps(said, sort_keys=True).encode())
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
        for path in filter(None, (model.class_, model.datamodule)):
            module = job.root.joinpath(*path.partition(":")[0].split("."))
            yield module.with_suffix(".py")
            # A module may import its neighbours; those of the project's own folder itself could be anything.
            folders = [module, *([module.parent] if module.parent != job.root else [])]
            yield from sorted(file for folder in folders for file in folder.rglob("*.py"))
