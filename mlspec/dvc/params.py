"""The parameters that DVC compares for a stage: files of `conf/`, and the keys in them. Pure."""

from __future__ import annotations

from mlspec.plan.stage import Stage

VERSIONS = "conf/versions.yaml"
"""Holds the version of each stage's code, a parameter of the stage like any other."""


def params(stage: Stage) -> dict[str, list[str]]:
    """Files of `conf/` with the keys that the stage depends on; no keys means all."""
    files: dict[str, list[str]] = {}
    for name in stage.params:
        section, _, key = name.partition(".")
        keys = files.setdefault(f"conf/{section}/default.yaml", [])
        if key:
            keys.append(key)
    return {**files, VERSIONS: [stage.name]}
