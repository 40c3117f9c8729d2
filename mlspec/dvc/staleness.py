"""What `dvc.lock` says of the last run against the stages and files of now: why each stage would run.

The same verdict as `dvc status`, in a tenth of its time and before anything is written; a test holds the two together.
Reads, writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlspec.dvc.params import VERSIONS, params
from mlspec.dvc.tree import Tree
from mlspec.plan.stage import Stage
from mlspec.stage_result import Reason

LOCK = "dvc.lock"
_SHOWN = 40
ABSENT = object()
"""What a key has that is not there."""

Entry = Mapping[str, Any]
"""What dvc.lock has of one stage: https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#dvclock-file."""


def reasons(stages: Sequence[Stage], tree: Tree) -> dict[str, Reason | None]:
    """For each stage why it would run, None where it is up to date."""
    locked = read_lock(tree.text(LOCK))
    found: dict[str, Reason | None] = {}
    for stage in stages:
        found[stage.name] = why(stage, locked.get(stage.name), tree)
    tree.remember()
    return found


def why(stage: Stage, entry: Entry | None, tree: Tree) -> Reason | None:
    """Why one stage would run whose last run left `entry`."""
    if not entry:
        return Reason("never-ran", "never ran")
    changes = list(_changes(stage, entry, tree))
    return Reason(changes[0].kind, _sentence([change.text for change in changes])) if changes else None


def read_lock(text: str | None) -> Mapping[str, Entry]:
    """The stages of a dvc.lock; none where there is no lock, or one that is torn."""
    return (_stages(text) if text else None) or {}


def readable(text: str) -> bool:
    """Whether a dvc.lock is whole, as far as its text shows."""
    return _stages(text) is not None


def _stages(text: str) -> Mapping[str, Entry] | None:
    """The stages of a dvc.lock, None where it is torn: DVC writes it in place, so a kill can cut it anywhere."""
    found = yaml(text)
    stages = found.get("stages", {}) if isinstance(found, dict) else None
    whole = text.endswith("\n") and isinstance(stages, dict) and all(_whole(entry) for entry in stages.values())
    return stages if whole else None


def _whole(entry: Any) -> bool:
    if not isinstance(entry, dict) or "cmd" not in entry or None in entry.values():
        return False
    rows = [row for key in ("deps", "outs") for row in entry.get(key, [])]
    return all(isinstance(row, dict) and "path" in row and row.get("hash", "path") in row for row in rows)


def yaml(text: str) -> Any:
    """YAML as DVC reads it; None where it cannot be read."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=False).load(text)
    except (YAMLError, ValueError):
        return None


def _changes(stage: Stage, entry: Entry, tree: Tree) -> Iterator[Reason]:
    if entry.get("cmd") != stage.command:
        yield Reason("command-changed", "its command changed")
    yield from _params(stage, entry, tree)
    deps = {row.get("path"): row for row in entry.get("deps", [])}
    for path in stage.inputs:
        if path not in deps:
            yield Reason("input-changed", f"input {path} is new")
        elif (now := tree.digest(path)) != deps[path].get("md5"):
            yield Reason("input-changed", f"input {path} {'is missing' if now is None else 'changed'}")
    outs = {row.get("path"): row for row in entry.get("outs", [])}
    for output in stage.outputs:
        now = tree.digest(output.path)
        if now is None:
            yield Reason("output-changed", f"output {output.path} is missing")
        elif now != outs.get(output.path, {}).get("md5"):
            yield Reason("output-changed", f"output {output.path} was changed")


def _params(stage: Stage, entry: Entry, tree: Tree) -> Iterator[Reason]:
    locked = entry.get("params", {})
    for file, keys in params(stage).items():
        section = file.split("/")[1]
        if not tree.exists(file):
            continue  # a section that the spec does not name
        if file == VERSIONS:
            yield from _versions(stage, yaml(tree.text(file) or ""), locked.get(file))
            continue
        now, before = yaml(tree.text(file) or "") or {}, locked.get(file) or {}
        for key in keys or sorted({*now, *before}):
            new, old = value_at(now, key), before.get(key, ABSENT)
            for difference in _differences(f"{section}.{key}", old, new):
                yield Reason("settings-changed", difference)


def _versions(stage: Stage, now: Any, before: Any) -> Iterator[Reason]:
    new, old = value_at(now, stage.name), value_at(before, stage.name)
    if new != old:
        versions = f", version {old} → {new}" if old is not ABSENT else ""
        yield Reason("code-changed", f"mlspec's code of this stage changed{versions}")


def value_at(values: Any, key: str) -> Any:
    """The value at a dotted key, ABSENT where there is none."""
    for step in key.split("."):
        if not isinstance(values, dict) or step not in values:
            return ABSENT
        values = values[step]
    return values


def _differences(key: str, old: Any, new: Any) -> Iterator[str]:
    """`train.learning_rate changed 0.001 → 0.003`: mappings are told by the keys in which they differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from _differences(f"{key}.{name}", old.get(name, ABSENT), new.get(name, ABSENT))
    elif old is ABSENT and new is not ABSENT:
        yield f"{key} is new"
    elif new is ABSENT and old is not ABSENT:
        yield f"{key} is gone"
    elif old is not new and (old != new or isinstance(old, bool) != isinstance(new, bool)):
        yield f"{key} changed {_shown(old)} → {_shown(new)}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _sentence(changes: Sequence[str]) -> str:
    more = f" and {len(changes) - 2} more" if len(changes) > 2 else ""
    return ", ".join(changes[:2]) + more
