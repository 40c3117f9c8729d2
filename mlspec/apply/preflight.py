"""What a run would end at although the spec is sound: told with its place before anybody is asked."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlspec.diagnostics import Diagnostic, Finding

if TYPE_CHECKING:
    from mlspec.apply.apply_plan import ApplyPlan
    from mlspec.diagnostics import Location
    from mlspec.source.document import Node
    from mlspec.workspace.spec_file import SpecFile

_MOST = 500
"""Most files of a folder that are looked through for the one that was meant."""


def preflight_findings(outlook: ApplyPlan, where: SpecFile, severity: Literal["error", "warning"]) -> list[Diagnostic]:
    """Data that the stage `data` would read, and that is neither here nor kept by DVC. A build does without it."""
    if not any(step.stage.name == "data" for step in outlook.schedule.due):
        return []
    return list(_missing(outlook, where, severity))


def _missing(outlook: ApplyPlan, where: SpecFile, severity: Literal["error", "warning"]) -> Iterator[Diagnostic]:
    from mlspec.parts.data.section_checks import source_at
    from mlspec.sections.data import DataSpec
    from mlspec.source.reader import read
    from mlspec.spec.names import suggest

    project, document = outlook.build.project, read(where.spec)
    data = project.get(DataSpec)
    for name, source in data.sources.items() if data else ():
        if source in project.surroundings.absent:
            own = ("environments", project.environment or "", *source_at(name))
            at = own if _stands(document.root, own) else source_at(name)
            near = suggest(source, _beside(source, where.root))
            help = near or f"add the file, or correct the path; it is relative to {where.root}"
            message = f"file not found: {source}"
            yield document.diagnostic(Finding("missing-file", at, message, help, severity=severity))


def _beside(path: str, root: Path) -> list[str]:
    """What else lies in the folder of `path`."""
    folder = Path(path).parent
    try:
        names = [entry.name for entry in itertools.islice((root / folder).iterdir(), _MOST)]
    except OSError:
        return []
    return sorted((folder / name).as_posix() for name in names if not name.startswith("."))


def _stands(root: Node, at: Location) -> bool:
    node: Node | None = root
    for step in at:
        node = node.child(step) if node is not None else None
    return node is not None
