"""What parts report to `mlspec plan` about systems that no stage changes, such as an orchestrator's server."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from mlspec.compiler import Build
from mlspec.parts.optional_part import used
from mlspec.parts.part_protocol import Part

Notices = Callable[..., list[str]]


def notices(build: Build, root: Path, parts: Sequence[Part]) -> list[str]:
    """A line for each difference, with the command that removes it. Changes nothing."""
    texts = {file.path: file.text for file in build.files if file.anchor == "project"}
    lines: list[str] = []
    for part in used(parts, build.project):
        module, _, name = getattr(part, "NOTICES", "").partition(":")
        if module:
            report: Notices = getattr(importlib.import_module(module), name)
            lines += report(build.project, texts, root)
    return lines
