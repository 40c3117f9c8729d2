"""`dvc.yaml`: the paths that a stage declares. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.dvc.yaml_values import mapping, parse_yaml


@dataclass(frozen=True, slots=True)
class DeclaredStage:
    """The inputs and outputs that dvc.yaml declares for one stage, by their paths in the project."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def declared_stage(text: str, name: str) -> DeclaredStage | None:
    """The stage of that name; None where the file has none."""
    entry = mapping(mapping(parse_yaml(text)).get("stages")).get(name)
    if not isinstance(entry, dict):
        return None
    outputs = [path for key in ("outs", "metrics", "plots") for path in _paths(entry.get(key))]
    return DeclaredStage(tuple(_paths(entry.get("deps"))), tuple(outputs))


def _paths(rows: object) -> list[str]:
    names = [next(iter(row), "") if isinstance(row, dict) else row for row in rows] if isinstance(rows, list) else []
    return [str(name).replace("\\${", "${") for name in names]
