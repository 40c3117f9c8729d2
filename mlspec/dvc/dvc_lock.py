"""`dvc.lock`: the command, parameters and digests of each stage's last run.

Format: https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#dvclock-file.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlspec.dvc.yaml_values import mapping, parse_yaml

LOCK = "dvc.lock"


@dataclass(frozen=True, slots=True)
class LockedStage:
    """The last run of one stage: parameters by file, the digests of inputs and outputs by path."""

    command: str
    params: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    inputs: Mapping[str, str | None] = field(default_factory=dict)
    outputs: Mapping[str, str | None] = field(default_factory=dict)


def read_lock(text: str | None) -> Mapping[str, LockedStage]:
    """The stages of a dvc.lock; empty without a lock file, or with an incomplete one."""
    return {name: locked_stage(row) for name, row in ((_rows(text) if text else None) or {}).items()}


def is_whole(text: str) -> bool:
    """Whether a dvc.lock is complete, as far as its text shows."""
    return _rows(text) is not None


def stored_bytes(text: str) -> int:
    """The size of all files that a dvc.lock names, each content once."""
    rows = [mapping(row) for row in (_rows(text) or {}).values()]
    listed = [mapping(one) for row in rows for key in ("deps", "outs") for one in _list(row.get(key))]
    sizes = {str(one.get("md5")): one.get("size") for one in listed}
    return sum(size for size in sizes.values() if isinstance(size, int))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def add_inputs(text: str, stage: str, digests: Mapping[str, str | None]) -> str:
    """The text of a dvc.lock with more inputs in the entry of an existing stage, formatted as DVC does."""
    from ruamel.yaml import YAML

    rows = _rows(text) or {}
    stages = {name: dict(mapping(row)) for name, row in rows.items()}
    deps = stages[stage].get("deps")
    added = [{"path": path, "hash": "md5", "md5": digest} for path, digest in digests.items()]
    stages[stage]["deps"] = [*(deps if isinstance(deps, list) else []), *added]
    # https://github.com/iterative/dvc/blob/3.67.0/dvc/utils/serialize/_yaml.py
    writer, out = YAML(), io.StringIO()
    writer.default_flow_style = False
    writer.dump({**mapping(parse_yaml(text)), "stages": stages}, out)
    return out.getvalue()


def locked_stage(row: object) -> LockedStage:
    """The entry of a stage in dvc.lock."""
    entry = mapping(row)
    params = {file: mapping(values) for file, values in mapping(entry.get("params")).items()}
    return LockedStage(str(entry.get("cmd")), params, _digests(entry.get("deps")), _digests(entry.get("outs")))


def locked_json(stage: LockedStage) -> dict[str, object]:
    """The same as JSON values, in the shape of dvc.lock."""
    return {
        "cmd": stage.command,
        "params": dict(stage.params),
        "deps": [{"path": path, "md5": digest} for path, digest in stage.inputs.items()],
        "outs": [{"path": path, "md5": digest} for path, digest in stage.outputs.items()],
    }


def _digests(rows: object) -> dict[str, str | None]:
    entries = [mapping(row) for row in rows] if isinstance(rows, list) else []
    return {str(e["path"]): None if e.get("md5") is None else str(e["md5"]) for e in entries if "path" in e}


def _rows(text: str) -> Mapping[str, object] | None:
    """The entries by stage, None where the file is incomplete: DVC writes it in place, so a kill can truncate it."""
    parsed = parse_yaml(text)
    stages = parsed.get("stages", {}) if isinstance(parsed, dict) else None
    if not (text.endswith("\n") and isinstance(stages, dict) and all(map(_complete, stages.values()))):
        return None
    return mapping(stages)


def _complete(entry: object) -> bool:
    if not isinstance(entry, dict) or "cmd" not in entry or None in entry.values():
        return False
    rows = [row for key in ("deps", "outs") for row in entry.get(key, [])]
    return all(isinstance(row, dict) and "path" in row and row.get("hash", "path") in row for row in rows)
