"""What `mlspec destroy` removes: a deployment in AWS, and what is installed in Elasticsearch and Kibana."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlspec.errors import StageError, UsageError
from mlspec.stage_context import StageContext
from mlspec.workspace.spec_file import SpecFile

if TYPE_CHECKING:
    from mlspec.aws.desired import DesiredFunction
    from mlspec.elastic.installation import Installation
    from mlspec.shipping.removal import Removal
    from mlspec.spec.project import Project


class ToolRemovals(Protocol):
    """What a tool created, and how it is removed."""

    @property
    def removals(self) -> tuple[Removal, ...]:
        """The removals in order."""

    def carry_out(self, say: Callable[[str], object]) -> None:
        """Remove what is not kept."""


@dataclass(frozen=True)
class Removals:
    """The removals in both places; `unread` says why Elasticsearch could not be compared, "" where it could."""

    function: DesiredFunction | None
    stack: Installation | None
    deployed: tuple[Removal, ...] = ()
    modules: ToolRemovals | None = None
    """What another tool created, instead of `deployed`."""
    installed: tuple[Removal, ...] = ()
    unread: str = ""

    @property
    def all(self) -> list[Removal]:
        """All removals; what is installed goes first, so that no alert fires because the deployment is gone."""
        return [*self.installed, *self.deployed, *(self.modules.removals if self.modules else ())]

    def carry_out(self, say: Callable[[str], object]) -> None:
        """Remove what is not kept."""
        from mlspec.parts.monitor import stack_removal
        from mlspec.shipping import removal

        if self.stack is not None:
            stack_removal.carry_out(self.stack, self.installed, say)
        if self.modules is not None:
            self.modules.carry_out(say)
        elif self.function is not None:
            removal.carry_out(self.function, self.deployed, say)


@contextmanager
def removals(
    where: SpecFile, context: StageContext, *, images: bool, predictions: bool, keep: bool = False
) -> Iterator[Removals]:
    """What exists of the spec; with `keep` only what a tool knows of it: stacks, or the state of modules.

    Raises UsageError where the spec has neither a deployment nor `monitor.elasticsearch`, and with `keep` no tool.
    """
    from mlspec.aws.owned_bucket import bucket_name
    from mlspec.cli.deployed import shipped
    from mlspec.parts.monitor import stack_removal
    from mlspec.shipping import removal

    if keep:
        with _kept(where, shipped(where, context), context.root) as modules:
            yield Removals(None, None, modules=modules)
        return
    try:
        function = shipped(where, context)
    except UsageError:
        function = None
        if not _has_stack(where):
            raise
    stack, unread = _stack(where, context, alone=function is None)
    installed: tuple[Removal, ...] = ()
    if stack is not None:
        try:
            installed = tuple(stack_removal.plan(stack, predictions=predictions))
        except StageError as error:
            if function is None:
                raise
            stack, unread = None, error.message
    with _modules(where, function, context.root, images=images) as modules:
        deployed = (
            tuple(removal.plan(function, images=images, bucket=bucket_name(_project(where))))
            if function and modules is None
            else ()
        )
        yield Removals(function, stack, deployed, modules, installed, unread)


@contextmanager
def _kept(where: SpecFile, function: DesiredFunction, root: Path) -> Iterator[ToolRemovals | None]:
    if not function.tool.creates:
        message = "--keep-resources is for resources of Terraform, SAM or the Serverless Framework"
        raise UsageError(message, help="this spec has no `deploy.iac`: mlspec manages its resources directly already")
    with _modules(where, function, root, images=False, keep=True) as modules:
        yield modules


@contextmanager
def _modules(
    where: SpecFile, function: DesiredFunction | None, root: Path, *, images: bool, keep: bool = False
) -> Iterator[ToolRemovals | None]:
    """What another tool created; None where there is nothing of it."""
    from mlspec.parts.all_parts import PARTS

    path = next((getattr(p, "REMOVALS", "") for p in PARTS if function and function.tool.name == p.NAME), "")
    if not path:
        yield None
        return
    module, _, name = path.partition(":")
    removals_of = getattr(importlib.import_module(module), name)
    with removals_of(_project(where), function, root, images=images, keep=keep) as created:
        yield created


def _project(where: SpecFile) -> Project:
    from mlspec.compiler import compile_project
    from mlspec.workspace.template_cache import template_cache

    return compile_project(where.spec, where.environment, compiled=template_cache()).project


def _has_stack(where: SpecFile) -> bool:
    from mlspec.sections.monitor import Monitor

    monitor = _project(where).get(Monitor)
    return monitor is not None and monitor.elasticsearch is not None


def _stack(where: SpecFile, context: StageContext, *, alone: bool) -> tuple[Installation | None, str]:
    """The installation of the spec; where a variable is not set, None and the reason, unless there is nothing else."""
    from mlspec.parts.monitor.stack import installation

    if not _has_stack(where):
        return None, ""
    project = _project(where)
    try:
        return installation(project, context.root), ""
    except StageError as error:
        if alone:
            raise
        return None, error.message
