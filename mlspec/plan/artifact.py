"""A file to be generated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Artifact:
    """One generated file: where it goes, which template makes it, and with which values.

    `path` is POSIX and relative to the project's folder, or to the git repository's root with `anchor="repository"`
    (GitHub reads workflows only there). `mode="block"` owns one marked block inside a file that is the user's
    (`.gitignore`, `.dockerignore`, `.dvc/config`). The header that every generated file opens with is the renderer's
    business, not the template's.
    """

    path: str
    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    part: str = ""
    anchor: Literal["project", "repository"] = "project"
    mode: Literal["file", "block"] = "file"
    executable: bool = False
