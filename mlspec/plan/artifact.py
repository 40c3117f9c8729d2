"""A file to be generated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple


class Artifact(NamedTuple):
    """One generated file: its path, its template, and the values of the template.

    `path` is POSIX and relative to the project folder, or with `anchor="repository"` to the root of the git repository
    (GitHub reads workflows only there). `mode="block"` is one marked block in a file of the user (`.gitignore`,
    `.dockerignore`, `.dvc/config`). The renderer adds the header of a generated file, not the template.
    """

    path: str
    template: str
    values: Mapping[str, object] = {}
    part: str = ""
    anchor: Literal["project", "repository"] = "project"
    mode: Literal["file", "block"] = "file"
    executable: bool = False
