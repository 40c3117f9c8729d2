"""Shared by the commands that show releases: the spec's function at its target, and versions as text."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlspec.cli.options import stage_context
from mlspec.errors import StageError, UsageError
from mlspec.stage_context import StageContext
from mlspec.target_facts import TargetName
from mlspec.workspace.spec_file import SpecFile

if TYPE_CHECKING:
    from mlspec.aws.desired import DesiredFunction
    from mlspec.shipping.versions import VersionList, VersionState
    from mlspec.spec.project import Project


@contextmanager
def seen(context: StageContext) -> Iterator[None]:
    """Run calls that read releases. If the account cannot be read, the help names the local rehearsal."""
    from mlspec.aws.error_messages import DEPLOY, aws_errors

    try:
        with aws_errors(DEPLOY):
            yield
    except StageError as error:
        if not context.rehearsal_option:
            raise
        help = f"{error.help}; of the rehearsal here:{context.rehearsal_option}"
        raise StageError(error.message, help=help) from None


def shipped(where: SpecFile, context: StageContext) -> DesiredFunction:
    """The function of the spec at its target. Raises UsageError where the spec deploys nothing."""
    from mlspec.aws.desired import desired_function
    from mlspec.shipping.target_choice import current

    project, region = shipping(where)
    return desired_function(current(context, region), project, "")


@contextmanager
def deployed_versions(where: SpecFile, target: TargetName | None) -> Iterator[tuple[DesiredFunction, VersionList]]:
    """The function of the spec with its published versions, for calls that read or move them."""
    from mlspec.shipping.versions import version_list

    context = stage_context(where.root, target)
    with seen(context):
        desired = shipped(where, context)
        yield desired, version_list(desired.target, desired.spec)


def deploys(where: SpecFile) -> bool:
    """Whether the spec deploys a function."""
    return _located(where)[1] is not None


def shipping(where: SpecFile) -> tuple[Project, str]:
    """The project and the region that it ships to. Raises UsageError where the spec deploys nothing."""
    project, region = _located(where)
    if region is None:
        raise UsageError("this project has no deployment", help="it has no `deploy.lambda`; is it in another --env?")
    return project, region


def _located(where: SpecFile) -> tuple[Project, str | None]:
    from mlspec.aws.function_spec import function_location
    from mlspec.compiler import compile_project
    from mlspec.sections.deploy import Deploy
    from mlspec.sections.registry import Registry
    from mlspec.workspace.template_cache import template_cache

    project = compile_project(where.spec, where.environment, compiled=template_cache()).project
    deploy = project.get(Deploy)
    location = function_location(deploy.lambda_, project.get(Registry)) if deploy and deploy.lambda_ else None
    return project, location.region if location else None


def moment(seconds: float) -> str:
    """A time in UTC."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def commit(release: VersionState) -> str:
    """The short commit; the image's tag begins with it where the history has no record."""
    known = str(release.release.get("commit") or "")
    dirty = "-dirty" if known.endswith("-dirty") else ""
    tagged = release.tag.partition("-")[0]
    return known[:7] + dirty if known else tagged if tagged == "uncommitted" else tagged[:7] or "-"


def standing(release: VersionState) -> str:
    """Its state as a word, with its share of the traffic while it is split."""
    return f"{release.percent:g} %" if release.state == "canary" else release.state


def numbers(metrics: object, most: int = 2) -> str:
    """The first metrics as `accuracy 0.975`."""
    items = metrics.items() if isinstance(metrics, Mapping) else ()
    known = [(name, value) for name, value in items if isinstance(value, int | float)]
    return ", ".join(f"{name} {value:.3g}" for name, value in known[:most])
