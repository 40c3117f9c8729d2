"""Everything that led to a bundle: commit, configuration, data, packages, metrics. Nothing from the clock."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlspec
from mlspec.job import Job
from mlspec.records.evaluation import Evaluation
from mlspec.records.gates import Gates
from mlspec.records.training import Training
from mlspec.spec.project import ProjectInfo
from mlspec.watch import paused

PACKAGES = ("torch", "pytorch-lightning", "transformers", "tokenizers", "numpy", "pyarrow", "onnx", "onnxscript",
            "onnxruntime")  # fmt: skip
_DATA = ("train.parquet", "valid.parquet", "test.parquet", "schema.json")


def lineage(job: Job, bundle: Path) -> dict[str, Any]:
    """The content of lineage.json; `files` are the digests of what is in the bundle already."""
    data = {name: digest(job.inputs / "data" / name) for name in _DATA if (job.inputs / "data" / name).is_file()}
    return {
        "project": job.need(ProjectInfo).name,
        "git": commit(job.root),
        "spec": config_digest(job.config),
        "data": data,
        "checkpoint": digest(job.inputs / "model" / "best.ckpt"),
        "metrics": _metrics(job.inputs),
        "config": job.config,
        "packages": {"python": platform.python_version(), "mlspec": mlspec.__version__, **versions()},
        "files": {p.relative_to(bundle).as_posix(): digest(p) for p in sorted(bundle.rglob("*")) if p.is_file()},
    }


def config_digest(config: Mapping[str, Any]) -> str:
    """SHA-256 of a composed configuration, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Releases of the packages that made the bundle, of those installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit(root: Path) -> dict[str, Any] | None:
    """The commit that is checked out, and whether files under `root` differ from it; None without git."""
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return None if head is None else {"commit": head, "dirty": bool(changed)}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        with paused():  # git opens every file that changed
            done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _metrics(artifacts: Path) -> Mapping[str, Any]:
    """What the stages before measured."""
    training, evaluation, gates = Training.find(artifacts), Evaluation.find(artifacts), Gates.find(artifacts)
    return {
        **({"train": dict(training.valid)} if training else {}),
        **({"evaluate": dict(evaluation.metrics)} if evaluation else {}),
        **({"gates": [gate.to_json() for gate in gates.gates]} if gates else {}),
    }
