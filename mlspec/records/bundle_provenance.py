"""What led to a bundle, in short: the part of its lineage that is carried in an image's labels and in release.json."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import Field, JsonValue

from mlspec.records.evaluation import Evaluation
from mlspec.records.git_commit import Commit, read_commit
from mlspec.records.lineage import Lineage
from mlspec.records.record_file import Measured, Value, compact_json
from mlspec.records.tracked_run import runs_of
from mlspec.records.training import Training

_SECTIONS: Final = ("data", "model", "train", "export")
_VERSION_DIGITS: Final = 12
_MAX_CONFIG: Final = 32_000
"""Characters of the configuration as JSON: a longer one does not fit into a label beside the rest."""


class BundleProvenance(Value):
    """A bundle and what led to it; what is not known is null. Digests are SHA-256 in hexadecimal."""

    commit: str | None = Field(None, description="The commit, followed by `-dirty` where files differ from it")
    spec: str | None = Field(None, description="Digest of the composed configuration")
    bundle: str | None = Field(None, description="Digest of the bundle: of its sorted file names and their digests")
    data: str | None = Field(None, description="Digest of the splits, by the digests of their files")
    config: Mapping[str, JsonValue] | None = Field(
        None,
        description="Sections data, model, train and export, and `train.tuned` with what `train.tune` found; null if "
        "they are too long for a label",
    )
    metrics: Mapping[str, Measured] = Field({}, description="What evaluation measured, by name")
    run: str | None = Field(None, description="Address, or W&B's id, of the tracked run that trained the model")

    @property
    def version(self) -> str:
        """The version that a server of the bundle reports; empty without a bundle."""
        return bundle_version(self.bundle)


def read_provenance(root: Path, artifacts: Path, commit: Commit | None = None) -> BundleProvenance:
    """The provenance of the bundle in `artifacts`. `commit` defaults to that of `root`."""
    commit = commit or read_commit(root)
    lineage, evaluation = Lineage.find(artifacts), Evaluation.find(artifacts)
    return BundleProvenance(
        commit=None if commit is None else commit.revision,
        spec=lineage.spec if lineage else None,
        bundle=bundle_digest(artifacts / "bundle"),
        data=_digest(compact_json(lineage.data).encode()) if lineage and lineage.data else None,
        config=_short_config(_used_config(lineage)) if lineage else None,
        metrics=evaluation.metrics if evaluation else {},
        run=_tracked_run(root, artifacts / "model" / "best.ckpt", lineage.checkpoint if lineage else None),
    )


def _used_config(lineage: Lineage) -> Mapping[str, JsonValue]:
    """The configuration; its section `train` also has what was found before training."""
    train = lineage.config.get("train")
    if lineage.tuned is None or not isinstance(train, dict):
        return lineage.config
    return {**lineage.config, "train": {**train, "tuned": {**lineage.tuned.values}}}


def _short_config(config: Mapping[str, JsonValue]) -> dict[str, JsonValue] | None:
    sections = {name: config[name] for name in _SECTIONS if name in config}
    return sections if sections and len(compact_json(sections)) < _MAX_CONFIG else None


def bundle_digest(folder: Path) -> str | None:
    """One SHA-256 for a bundle: of a line `DIGEST  PATH` for each file, sorted by path. None of an empty folder."""
    files = sorted((p.relative_to(folder).as_posix(), p) for p in folder.rglob("*") if p.is_file())
    if not files:
        return None
    return _digest("".join(f"{file_digest(path)}  {name}\n" for name, path in files).encode())


def bundle_version(digest: str | None) -> str:
    """The version of a bundle with that digest; empty for none. A server of the bundle computes the same."""
    return (digest or "")[:_VERSION_DIGITS]


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tracked_run(root: Path, checkpoint: Path, digest: str | None) -> str | None:
    """The pages of the runs that trained the checkpoint with that digest, or W&B's id: as this machine knows them,
    otherwise, of a model that DVC restored, as the training recorded them."""
    training = Training.find(checkpoint.parents[1])
    pages = {**training.runs} if training else {}
    pages |= {run.tracker: run.url for run in runs_of(root, digest) if run.url}
    known = [*pages.values(), None if "wandb" in pages else _wandb_run(root, checkpoint)]
    return ", ".join(filter(None, known)) or None


def _wandb_run(root: Path, checkpoint: Path) -> str | None:
    """W&B's id of the last run; None where it began after the checkpoint was written and so trained another model."""
    try:
        folder = (root / ".mlspec" / "wandb" / "wandb" / "latest-run").resolve(strict=True)
        run = re.fullmatch(r"(?:offline-)?run-(\d{8}_\d{6})-(\w+)", folder.name)
        if run and datetime.strptime(run[1], "%Y%m%d_%H%M%S").timestamp() <= checkpoint.stat().st_mtime:
            return run[2]
    except OSError:
        pass
    return None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
