"""Why a stage would run: what `dvc.lock` recorded of it, held against the plan and the disk. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlspec.errors import SpecError
from mlspec.plan.stage import Stage
from mlspec.run.hashes import Hashes
from mlspec.source.reader import parse

SHOWN = 3


def reasons(stages: Sequence[Stage], values: Mapping[str, Any], root: Path) -> dict[str, str | None]:
    """For each stage why it would run, or None where its outputs are up to date."""
    recorded = _recorded(root / "dvc.lock")
    hashes = Hashes(root)
    found = {stage.name: _reason(stage, recorded.get(stage.name), values, hashes) for stage in stages}
    hashes.save()
    return found


def _recorded(lock: Path) -> dict[str, Any]:
    try:
        stages = parse(lock.read_bytes(), "dvc.lock").plain().get("stages")
    except (OSError, SpecError):
        return {}
    return dict(stages) if isinstance(stages, dict) else {}


def _reason(stage: Stage, entry: Any, values: Mapping[str, Any], hashes: Hashes) -> str | None:
    if not isinstance(entry, dict):
        return "never ran"
    if entry.get("cmd") != stage.command:
        return "its command changed"
    inputs = {row["path"]: row.get("md5") for row in entry.get("deps") or []}
    new = [path for path in stage.inputs if path not in inputs]
    if new or len(inputs) != len(stage.inputs):
        return f"its inputs changed: {_some(new or [p for p in inputs if p not in stage.inputs])}"
    changed = _settings(stage, entry.get("params") or {}, values)
    if changed:
        return _some(changed)
    differing = [path for path, digest in inputs.items() if hashes.of(path) != digest]
    if differing:
        return f"{_some(differing)} changed"
    outputs = {row["path"]: row.get("md5") for row in entry.get("outs") or []}
    absent = [o.path for o in stage.outputs if o.path not in outputs or hashes.of(o.path) is None]
    if absent:
        return f"{_some(absent)} is missing"
    touched = [path for path, digest in outputs.items() if hashes.of(path) != digest]
    return f"{_some(touched)} was changed by hand" if touched else None


def _settings(stage: Stage, recorded: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Settings that differ from what was recorded, old and new."""
    found: list[str] = []
    for name in stage.params:
        section, _, key = name.partition(".")
        kept = recorded.get(f"conf/{section}/default.yaml") or {}
        now = values.get(section)
        if not key:
            found += _differences(section, kept, now)
        elif isinstance(now, Mapping):
            found += _differences(name, kept.get(key), now.get(key))
    return found


def _differences(name: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = dict.fromkeys([*old, *new])
        return [line for key in keys for line in _differences(f"{name}.{key}", old.get(key), new.get(key))]
    return [] if old == new else [f"{name} {_brief(old)} -> {_brief(new)}"]


def _brief(value: Any) -> str:
    text = "unset" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 30 else text[:27] + "..."


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more
