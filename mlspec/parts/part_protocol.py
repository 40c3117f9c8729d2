"""What a part is: a module (`parts/NAME/part.py`) with these six names. Light: it imports no heavy library.

The heavy bodies of its stages live beside it in `work.py`, named in PROGRAMS, and run in a process of their own. A
part may have OBSERVERS too: stage name to the import path of a function `(project, artifacts) -> list[Change]` that
says what a stage with effects would change; `plan` and `apply` call it, and only they. It may have NOTICES, the
import path of a function `(project, texts of files by path, root) -> list[str]`: what `plan` reports about a system
that no stage changes. The part of a delivery tool (`mlspec/sections/delivery_tool.py`) has REMOVALS, the import path
of a context manager `(project, function, root, images) -> removals`: what `destroy` removes of what the tool created,
and POLICIES, that of a function `(project) -> Iterator[ToolPolicy]`: the policies in its files, for an audit.
LEFT is the import path of a function `(project, root) -> list[str]`: what `destroy` reports of resources that the
spec no longer names and that only the part can remove.
And a part may have a function `name_after(environment, given)`: it completes the values as given where the spec
leaves out a resource's name, so that two environments never share one by default. And it may have a function
`check_stages(project, known)`: findings about names of stages, given those of all parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from pydantic import BaseModel

from mlspec.diagnostics import Finding
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.spec.project import Project


class Part(Protocol):
    """One part of the pipeline. A module satisfies this; a test may register a plain object."""

    @property
    def NAME(self) -> str:
        """The part's name: the owner of its files in the lock."""

    @property
    def SECTIONS(self) -> Mapping[str, type[BaseModel]]:
        """Root keys of the spec that it owns, each with its model."""

    @property
    def PROGRAMS(self) -> Mapping[str, str]:
        """Stage name to the import path of its body: `{"train": "mlspec.parts.train.work:main"}`."""

    def check(self, project: Project) -> Iterable[Finding]:
        """What cannot be seen from one section's model alone. Pure."""

    def stages(self, project: Project) -> Iterable[Stage]:
        """The stages that this spec asks of it. Pure."""

    def artifacts(self, project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
        """The files that this spec asks of it, given every part's stages. Pure."""


def no_check(project: Project) -> Iterable[Finding]:
    """For a part with nothing to check beyond its model."""
    return ()


def no_stages(project: Project) -> Iterable[Stage]:
    """For a part that runs nothing."""
    return ()


def no_artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """For a part that writes nothing."""
    return ()
