"""The record of the last release, of the target that this process ships to: read, and completed step by step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlspec.aws.release_events import ReleaseEvent
from mlspec.errors import StageError
from mlspec.records.bundle_provenance import BundleProvenance
from mlspec.records.release import DeployedFunction, PushedImage, RehearsedRelease, Release, RolloutEvent
from mlspec.target_facts import TARGETS, TargetName


def file(artifacts: Path, target: TargetName) -> Path:
    """Path of the record."""
    return artifacts / _record(target).FILE


def read(artifacts: Path, target: TargetName) -> Release | None:
    """The record; None where there is none. Raises StageError where it is damaged."""
    record = _record(target)
    if not (artifacts / record.FILE).is_file():
        return None
    try:
        return record.read(artifacts)
    except StageError as error:
        raise StageError(error.message, help=f"rm artifacts/{record.FILE}, then: mlspec apply") from None


def pushed(artifacts: Path, target: TargetName, provenance: BundleProvenance, image: PushedImage | None) -> None:
    """Record what is in the registry; None for a zip. Function and rollout are kept while the image is the same."""
    before = read(artifacts, target) or _record(target)()
    same = image is not None and before.image is not None and before.image.digest == image.digest
    _write(
        artifacts,
        target,
        before,
        release=provenance,
        image=image,
        function=before.function if same else None,
        rollout=before.rollout if same else (),
    )


def complete(artifacts: Path, target: TargetName, function: DeployedFunction | None) -> None:
    """Record the function that serves the release; None where none does."""
    _write(artifacts, target, read(artifacts, target) or _record(target)(), function=function)


def rolled_out(artifacts: Path, target: TargetName, events: Sequence[ReleaseEvent]) -> None:
    """Record the rollout of a version."""
    steps = [RolloutEvent.model_validate(event.as_json()) for event in events if event.kind != "published"]
    _write(artifacts, target, read(artifacts, target) or _record(target)(), rollout=tuple(steps))


def _record(target: TargetName) -> type[Release]:
    return next(record for record in (Release, RehearsedRelease) if TARGETS[target].release_file == record.FILE)


def _write(artifacts: Path, target: TargetName, before: Release, **changes: object) -> None:
    """Write the record with other values. An equal file is left as it is."""
    after = before.model_copy(update=changes)
    if after != before or not file(artifacts, target).is_file():
        after.write(artifacts)
