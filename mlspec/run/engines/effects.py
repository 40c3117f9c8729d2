"""What a stage with effects last ran on, kept in `.mlspec/effects.json` in the shape that dvc.lock has: DVC knows
nothing of these stages."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlspec.dvc.params import params
from mlspec.dvc.staleness import ABSENT, Entry, value_at, why, yaml
from mlspec.dvc.tree import Tree
from mlspec.job import write_text
from mlspec.plan.stage import Stage
from mlspec.stage_result import Reason

_FILE = ".mlspec/effects.json"


def reason(stage: Stage, tree: Tree) -> Reason | None:
    """Why the stage would run, as far as its files tell; None where nothing of them has changed."""
    return why(stage, _recall(tree.root).get(stage.name), tree)


def remember(root: Path, stage: Stage) -> None:
    """Keep what the stage ran on. Where that cannot be, it runs again."""
    file, tree = root / _FILE, Tree(root)
    found = {**_recall(root), stage.name: _entry(stage, tree)}
    with contextlib.suppress(OSError):
        write_text(file, json.dumps(found))


def _recall(root: Path) -> Mapping[str, Entry]:
    try:
        found = json.loads((root / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(found, dict) and all(isinstance(entry, dict) for entry in found.values())
    return found if whole else {}


def _entry(stage: Stage, tree: Tree) -> dict[str, Any]:
    whole = {file: yaml(tree.text(file) or "") or {} for file in params(stage) if tree.exists(file)}
    values = {file: _chosen(found, params(stage)[file]) for file, found in whole.items()}
    outputs = [output.path for output in stage.outputs]
    return {
        "cmd": stage.command,
        "params": values,
        "deps": [{"path": path, "md5": tree.digest(path)} for path in stage.inputs],
        "outs": [{"path": path, "md5": tree.digest(path)} for path in outputs],
    }


def _chosen(values: Mapping[str, Any], keys: Sequence[str]) -> Mapping[str, Any]:
    """As dvc.lock has them: all, or the keys that the stage names."""
    found = {key: value_at(values, key) for key in keys}
    return {key: value for key, value in found.items() if value is not ABSENT} if keys else values
