"""`artifacts/release.json`: the last release that was made here, written by `push` and completed by `deploy`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlspec.aws.release_events import ReleaseEvent
from mlspec.errors import StageError
from mlspec.job import write_json
from mlspec.stage_context import TargetName

FILE = "release.json"
_REHEARSED = "release.local.json"
"""What was only rehearsed must not pass for released."""


def file(artifacts: Path, target: TargetName) -> Path:
    """Where the record of the target lies."""
    return artifacts / (_REHEARSED if target == "local" else FILE)


def read(artifacts: Path, target: TargetName) -> dict[str, Any] | None:
    """The record; None where there is none. Raises StageError for one that is no record."""
    path = file(artifacts, target)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise StageError(f"{path.name} is not a record of a release", help="remove it, then: mlspec apply")
    return found


def pushed(artifacts: Path, target: TargetName, release: Mapping[str, Any], image: Mapping[str, Any] | None) -> None:
    """Record what is in the registry now; a zip is in none. The function stays as long as it is the same image."""
    before = read(artifacts, target) or {}
    same = image is not None and (before.get("image") or {}).get("digest") == image["digest"]
    function = before.get("function") if same else None
    made = {"release": dict(release), "image": dict(image) if image else None, "function": function}
    if same and "rollout" in before:
        made["rollout"] = before["rollout"]
    if made != before:
        write_json(file(artifacts, target), made)


def complete(artifacts: Path, target: TargetName, function: Mapping[str, Any] | None) -> None:
    """Record what runs it; None where nothing does."""
    write_json(
        file(artifacts, target), {**(read(artifacts, target) or {}), "function": dict(function) if function else None}
    )


def rolled_out(artifacts: Path, target: TargetName, events: Sequence[ReleaseEvent]) -> None:
    """Record how a version came to its callers, or was taken back."""
    before = read(artifacts, target) or {}
    made = {**before, "rollout": [event.as_json() for event in events if event.kind != "published"]}
    if made != before:
        write_json(file(artifacts, target), made)
