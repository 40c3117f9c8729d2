"""What `mlspec destroy` removes, by the resources that a spec has: in AWS, and in Elasticsearch and Kibana."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from mlspec.errors import StageError, UsageError
from mlspec.stage_context import StageContext
from mlspec.workspace.spec_file import SpecFile

if TYPE_CHECKING:
    from mlspec.aws.desired import DesiredFunction
    from mlspec.elastic.installation import Installation
    from mlspec.shipping.removal import Removal, ResourcePlace
    from mlspec.spec.project import Project

Say = Callable[[str], object]


class RemovalRequest(NamedTuple):
    """The options of `mlspec destroy`."""

    images: bool = False
    predictions: bool = False
    orphans: bool = False
    keep: bool = False
    """Remove only what a tool knows of the resources: stacks, or the state of modules."""


class ToolRemovals(Protocol):
    """What one tool created, and how it is removed."""

    @property
    def removals(self) -> tuple[Removal, ...]:
        """The removals in order."""

    def carry_out(self, say: Say) -> None:
        """Remove what is not kept."""


@dataclass(frozen=True)
class OwnRemovals:
    """What mlspec itself created."""

    removals: tuple[Removal, ...]
    execute: Callable[[tuple[Removal, ...], Say], None]

    def carry_out(self, say: Say) -> None:
        """Remove what is not kept."""
        self.execute(self.removals, say)


@dataclass(frozen=True)
class Removals:
    """All removals of a spec, in order."""

    groups: tuple[ToolRemovals, ...]
    project: Project
    notices: list[str] = field(default_factory=list)
    """What could not be read, and what mlspec cannot remove with this spec."""
    nothing: str = "Nothing to remove."
    """What to report where nothing exists."""
    absent: frozenset[str] = frozenset()
    """Kinds that were looked for and are not there, as after an earlier removal that was interrupted."""

    @property
    def all(self) -> list[Removal]:
        """All removals; what is installed goes first, so that no alert fires because the deployment is gone."""
        return [removal for group in self.groups for removal in group.removals]

    def carry_out(self, say: Say) -> None:
        """Remove what is not kept."""
        for group in self.groups:
            group.carry_out(say)


@contextmanager
def removals(where: SpecFile, context: StageContext, request: RemovalRequest) -> Iterator[Removals]:
    """What exists of the spec. Turns what AWS raises within the block into StageErrors."""
    from mlspec.aws.error_messages import aws_errors
    from mlspec.shipping.removed_place import destroy_policy

    project = _project(where)
    with aws_errors("" if request.orphans else destroy_policy(project)):
        if request.keep:
            with _kept(project, context) as modules:
                yield Removals((modules,) if modules else (), project)
            return
        with _planned(project, context, request) as planned:
            yield planned


@contextmanager
def _planned(project: Project, context: StageContext, request: RemovalRequest) -> Iterator[Removals]:
    from mlspec.sections.registry import Registry
    from mlspec.shipping.removed_place import function_of, place_of

    function = function_of(project, context)
    place = function or place_of(project, context, anyway=request.orphans)
    notices = _left(project, context.root)
    installed = _installed(project, context, request, notices, alone=place is None)
    orphans = _orphans(project, place, request, notices)
    with _modules(project, function, context.root, images=request.images) as modules:
        groups: list[ToolRemovals | None] = [installed, orphans, modules]
        if function is not None and modules is None:
            groups.append(_deployed(project, function, request))
        elif function is None and place is not None:
            groups.append(_shared(project, place, request, orphans))
        planned = Removals(tuple(filter(None, groups)), project, notices)
        looked = set() if modules else {"function"} if function else set()
        if place is not None and modules is None and project.get(Registry) is not None:
            looked.add("repository")
        absent = looked - {removal.action.kind for removal in planned.all}
        yield replace(planned, nothing=_nothing(project, place, request), absent=frozenset(absent))


def _nothing(project: Project, place: ResourcePlace | None, request: RemovalRequest) -> str:
    from mlspec.aws.resource_tags import PROJECT

    if request.orphans and place is not None:
        where = f"{place.location.region} has nothing with the tag {PROJECT} = {project.info.name}"
        return f"Nothing to remove: {where}."
    if place is not None or _has_stack(project):
        return "Nothing to remove."
    return (
        "Nothing to remove: this spec creates nothing outside of the project. What an earlier spec created in AWS is "
        "found by its tags: mlspec destroy --orphans"
    )


def _deployed(project: Project, function: DesiredFunction, request: RemovalRequest) -> OwnRemovals:
    from mlspec.aws.owned_bucket import bucket_name
    from mlspec.shipping import removal

    planned = removal.plan(function, images=request.images, bucket=bucket_name(project))
    return OwnRemovals(tuple(planned), lambda some, say: removal.carry_out(function, some, say))


def _shared(
    project: Project, place: ResourcePlace, request: RemovalRequest, orphans: OwnRemovals | None
) -> OwnRemovals:
    """What a spec without a function has in an account: the repository and the bucket."""
    from mlspec.aws.owned_bucket import bucket_name
    from mlspec.sections.registry import Registry
    from mlspec.shipping import removal
    from mlspec.shipping.orphans import gone_functions

    registry = project.get(Registry)
    name = registry.ecr.repository if registry else ""
    gone = gone_functions(place, name, orphans.removals if orphans else ()) if name and request.images else []
    planned = (
        *removal.repository_removal(place, name, gone, images=request.images),
        *removal.bucket_removal(place, bucket_name(project)),
    )
    return OwnRemovals(planned, lambda some, say: removal.execute(removal.data_providers(place), some, say))


def _orphans(
    project: Project, place: ResourcePlace | None, request: RemovalRequest, notices: list[str]
) -> OwnRemovals | None:
    """What no environment of the spec names; a search that is not possible stops only a request for it."""
    from botocore.exceptions import BotoCoreError, ClientError

    from mlspec.aws.error_messages import message_of
    from mlspec.shipping import removal
    from mlspec.shipping.orphans import Orphans, providers
    from mlspec.shipping.spec_names import spec_names

    if place is None:
        return None
    search = Orphans(place, spec_names(project), remove=request.orphans, images=request.images)
    try:
        orphans = search.find()
    except (ClientError, BotoCoreError) as error:
        if request.orphans:
            raise
        why = message_of(error) if isinstance(error, ClientError) else str(error)
        notices.append(f"what an earlier spec created was not searched for: {why}")
        return None
    return OwnRemovals(tuple(orphans), lambda some, say: removal.execute(providers(place), some, say))


def _installed(
    project: Project, context: StageContext, request: RemovalRequest, notices: list[str], *, alone: bool
) -> OwnRemovals | None:
    """What is installed in Elasticsearch and Kibana. A notice where they cannot be read, unless they are all."""
    from mlspec.parts.monitor import stack_removal
    from mlspec.parts.monitor.stack import installation

    if not _has_stack(project):
        return None
    try:
        stack: Installation = installation(project, context.root)
        planned = tuple(stack_removal.plan(stack, predictions=request.predictions))
    except StageError as error:
        if alone:
            raise
        notices.append(f"Elasticsearch and Kibana are not touched: {error.message}")
        return None
    return OwnRemovals(planned, lambda some, say: stack_removal.carry_out(stack, some, say))


@contextmanager
def _kept(project: Project, context: StageContext) -> Iterator[ToolRemovals | None]:
    from mlspec.sections.delivery_tool import delivery_tool
    from mlspec.shipping.removed_place import function_of

    if not delivery_tool(project).creates:
        message = "--keep-resources is for resources of Terraform, SAM or the Serverless Framework"
        raise UsageError(message, help="this spec has no `deploy.iac`: mlspec manages its resources directly already")
    with _modules(project, function_of(project, context), context.root, images=False, keep=True) as modules:
        yield modules


@contextmanager
def _modules(
    project: Project, function: DesiredFunction | None, root: Path, *, images: bool, keep: bool = False
) -> Iterator[ToolRemovals | None]:
    """What another tool created; None where there is nothing of it."""
    from mlspec.parts.all_parts import PARTS

    path = next((getattr(p, "REMOVALS", "") for p in PARTS if function and function.tool.name == p.NAME), "")
    if not path:
        yield None
        return
    with _imported(path)(project, function, root, images=images, keep=keep) as created:
        yield created


def _left(project: Project, root: Path) -> list[str]:
    """What this machine knows of resources that the spec no longer names, and that only another spec can remove."""
    from mlspec.parts.all_parts import PARTS
    from mlspec.parts.optional_part import OptionalPart

    unused = [part for part in PARTS if isinstance(part, OptionalPart) and part.LEFT]
    return [notice for part in unused for notice in _imported(part.LEFT)(project, root)]


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _project(where: SpecFile) -> Project:
    from mlspec.compiler import compile_project
    from mlspec.workspace.template_cache import template_cache

    return compile_project(where.spec, where.environment, compiled=template_cache()).project


def _has_stack(project: Project) -> bool:
    from mlspec.sections.monitor import Monitor

    monitor = project.get(Monitor)
    return monitor is not None and monitor.elasticsearch is not None
