"""References in the folder `state` of the store, and which version of the model each belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.job import write_text
from mlspec.monitoring.baseline.reference import Reference

_INDEX: Final = "models.json"


class ReferencedModels(BaseModel):
    """The digest of the reference of each version of the model."""

    model_config = ConfigDict(frozen=True)

    references: Mapping[str, str] = {}


def load_reference(state: Path, digest: str) -> Reference | None:
    """The reference with that digest; None where there is none or it is damaged."""
    return _load(_file(state, digest))


def newest_reference(state: Path) -> Reference | None:
    """The reference that was stored last."""
    files = sorted(state.glob("reference-*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    return next((r for file in files if (r := _load(file)) is not None), None)


def store_reference(state: Path, version: str, reference: Reference) -> None:
    """Store the reference of that version of the model."""
    write_text(_file(state, reference.digest), reference.model_dump_json())
    note_version(state, version, reference.digest)


def note_version(state: Path, version: str, digest: str) -> None:
    """Record that this version has that reference."""
    known = referenced_models(state)
    if version and known.get(version) != digest:
        state.mkdir(parents=True, exist_ok=True)
        index = ReferencedModels(references={**known, version: digest})
        write_text(state / _INDEX, index.model_dump_json(indent=1) + "\n")


def referenced_models(state: Path) -> Mapping[str, str]:
    """Version of the model to digest of its reference; a damaged index is an empty one."""
    try:
        return ReferencedModels.model_validate_json((state / _INDEX).read_bytes()).references
    except (OSError, ValidationError):
        return {}


def _file(state: Path, digest: str) -> Path:
    return state / f"reference-{digest}.json"


def _load(file: Path) -> Reference | None:
    try:
        return Reference.parse_json(file.read_text(encoding="utf-8"))
    except OSError:
        return None
