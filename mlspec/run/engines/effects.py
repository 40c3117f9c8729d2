"""The last run of each stage with effects, in `.mlspec/effects.json`: DVC does not know these stages."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlspec.dvc.dvc_lock import LockedStage, locked_json, locked_stage
from mlspec.dvc.params import params
from mlspec.dvc.staleness import why
from mlspec.dvc.tree import Tree
from mlspec.dvc.yaml_values import ABSENT, mapping, parse_yaml, value_at
from mlspec.job import write_text
from mlspec.plan.stage import Stage
from mlspec.stage_result import Reason

_FILE = ".mlspec/effects.json"


def reason(stage: Stage, tree: Tree) -> Reason | None:
    """Why the stage would run, judging by its files; None where none of them has changed."""
    return why(stage, _last_runs(tree.root).get(stage.name), tree)


def remember(root: Path, stage: Stage) -> None:
    """Save the state of the stage's files. Where that fails, the stage runs again next time."""
    runs = {**_last_runs(root), stage.name: _run(stage, Tree(root))}
    with contextlib.suppress(OSError):
        write_text(root / _FILE, json.dumps({name: locked_json(run) for name, run in runs.items()}))


def _last_runs(root: Path) -> Mapping[str, LockedStage]:
    try:
        rows = json.loads((root / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(rows, dict) and all(isinstance(row, dict) for row in rows.values())
    return {name: locked_stage(row) for name, row in rows.items()} if whole else {}


def _run(stage: Stage, tree: Tree) -> LockedStage:
    files = {file: mapping(parse_yaml(tree.text(file) or "")) for file in params(stage) if tree.exists(file)}
    values = {file: _selected(content, params(stage)[file]) for file, content in files.items()}
    inputs = {path: tree.digest(path) for path in stage.inputs}
    return LockedStage(stage.command, values, inputs, {out.path: tree.digest(out.path) for out in stage.outputs})


def _selected(values: Mapping[str, object], keys: Sequence[str]) -> Mapping[str, object]:
    """The values in the form of dvc.lock: all, or those at `keys`."""
    selected = {key: value_at(values, key) for key in keys}
    return {key: value for key, value in selected.items() if value is not ABSENT} if keys else values
