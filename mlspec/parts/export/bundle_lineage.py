"""The lineage of a bundle, read from the stage's inputs, git and the installed packages."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import Final

import mlspec
from mlspec.job import Job
from mlspec.records.bundle_provenance import file_digest
from mlspec.records.evaluation import Evaluation
from mlspec.records.gates import Gates
from mlspec.records.git_commit import read_commit
from mlspec.records.lineage import GitState, Lineage, LineageMetrics, config_digest
from mlspec.records.record_file import json_object
from mlspec.records.training import Training
from mlspec.spec.project import ProjectInfo
from mlspec.watch import paused

PACKAGES: Final = (
    "torch",
    "pytorch-lightning",
    "transformers",
    "tokenizers",
    "numpy",
    "pyarrow",
    "onnx",
    "onnxscript",
    "onnxruntime",
)
_DATA: Final = ("train.parquet", "valid.parquet", "test.parquet", "schema.json")


def read_lineage(job: Job, bundle: Path) -> Lineage:
    """The lineage of `bundle`; its `files` are those that are in the folder already."""
    data = {name: job.inputs / "data" / name for name in _DATA}
    files = [path for path in sorted(bundle.rglob("*")) if path.is_file()]
    return Lineage(
        project=job.need(ProjectInfo).name,
        git=_git_state(job.root),
        spec=config_digest(job.config),
        data={name: file_digest(path) for name, path in data.items() if path.is_file()},
        checkpoint=file_digest(job.inputs / "model" / "best.ckpt"),
        metrics=_metrics(job.inputs),
        config=json_object(job.config),
        tuned=training.tuned if (training := Training.find(job.inputs)) else None,
        packages={"python": platform.python_version(), "mlspec": mlspec.__version__, **_versions()},
        files={path.relative_to(bundle).as_posix(): file_digest(path) for path in files},
    )


def _versions() -> dict[str, str]:
    """Releases of the installed packages that a bundle depends on."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _git_state(root: Path) -> GitState | None:
    """The commit that is checked out, and whether files under `root` differ from it; None without git."""
    with paused():  # git opens every file that changed
        commit = read_commit(root)
    return None if commit is None else GitState(commit=commit.id, dirty=commit.dirty)


def _metrics(artifacts: Path) -> LineageMetrics:
    """What the earlier stages measured."""
    training, evaluation, gates = Training.find(artifacts), Evaluation.find(artifacts), Gates.find(artifacts)
    return LineageMetrics(
        train=training.valid if training else None,
        evaluate=evaluation.metrics if evaluation else None,
        gates=gates.gates if gates else None,
    )
