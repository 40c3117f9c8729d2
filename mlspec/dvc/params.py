"""The parameters that DVC compares for a stage: files of `conf/`, and the keys in them. Pure."""

from __future__ import annotations

from mlspec.plan.stage import Stage

VERSIONS = "conf/versions.yaml"
"""Holds the version of each stage's code, a parameter of the stage like any other."""


def params(stage: Stage) -> dict[str, list[str]]:
    """Files of `conf/` with the keys that the stage depends on; no keys means all."""
    found: dict[str, list[str]] = {}
    for name in stage.params:
        section, _, key = name.partition(".")
        keys = found.setdefault(f"conf/{section}/default.yaml", [])
        if key:
            keys.append(key)
    return {**found, VERSIONS: [stage.name]}
