"""What led to a bundle: commit, configuration, data, packages, metrics. Nothing in it depends on the clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, JsonValue

from mlspec.records.gates import Gate
from mlspec.records.record_file import OPTIONAL, Measured, Record, Value
from mlspec.records.training import Tuned


class GitState(Value):
    """The state of the repository at the export."""

    commit: str = Field(description="Full hash of the commit that is checked out")
    dirty: bool = Field(description="Whether tracked files differ from it, other than generated ones")


class LineageMetrics(Value):
    """Metrics of the earlier stages; a stage that did not run has no key."""

    train: Mapping[str, Measured] | None = Field(
        None, description="Validation, at the best checkpoint", json_schema_extra=OPTIONAL
    )
    evaluate: Mapping[str, Measured] | None = Field(None, description="Test split", json_schema_extra=OPTIONAL)
    gates: tuple[Gate, ...] | None = Field(None, description="As in metrics/gates.json", json_schema_extra=OPTIONAL)


class Lineage(Record):
    """Everything that led to a bundle. Digests are SHA-256 in hexadecimal."""

    FILE: ClassVar[str] = "bundle/lineage.json"
    STAGE: ClassVar[str] = "export"

    project: str = Field(description="Name of the project")
    git: GitState | None = Field(None, description="null without git or before the first commit")
    spec: str = Field(description="Digest of `config`, independent of the order of its keys")
    data: Mapping[str, str] = Field({}, description="Digests of the splits and of schema.json, by file name")
    checkpoint: str = Field(description="Digest of model/best.ckpt")
    metrics: LineageMetrics = Field(LineageMetrics(), description="What the earlier stages measured")
    config: Mapping[str, JsonValue] = Field({}, description="The composed configuration of the export")
    tuned: Tuned | None = Field(
        None,
        description="What `train.tune` and `train.precision: auto` found, and training used instead of `config`",
        json_schema_extra=OPTIONAL,
    )
    packages: Mapping[str, str] = Field({}, description="Releases of Python, mlspec and the libraries, by name")
    files: Mapping[str, str] = Field({}, description="Digests of the other files of the bundle, by path")


def config_digest(config: Mapping[str, JsonValue]) -> str:
    """SHA-256 of a composed configuration, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
