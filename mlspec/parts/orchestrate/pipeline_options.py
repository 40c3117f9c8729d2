"""What the files of all orchestrators are given: names, environments, schedule, whether to push. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypedDict

from mlspec.sections.ci import Ci
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.sections.orchestrate import Orchestrator
from mlspec.spec.project import Project


def identifier(name: str) -> str:
    """The name of a project as part of an identifier: lower-case letters, digits and `_`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


def schedule(project: Project, options: Orchestrator) -> str | None:
    """When to train; by default as the workflows of GitHub do."""
    ci = project.get(Ci)
    return options.schedule or (ci.github.schedule if ci else None)


def environments(project: Project) -> dict[str, str | None]:
    """The environments of the spec by the name that an orchestrator shows; first the spec without one."""
    known = project.given.get("environments")
    names = [str(name) for name in known] if isinstance(known, Mapping) else []
    base = next(name for name in ("base", "default", "no-environment") if name not in names)
    return {base: None, **{name: name for name in names}}


def pushes(project: Project, options: Orchestrator) -> bool:
    """Whether each stage pushes its results to the DVC remote."""
    data = project.get(DataSpec)
    enabled = options.repository is not None if options.push is None else options.push
    return enabled and data is not None and data.remote is not None


class Checkout(TypedDict):
    """Where the stages run, and where their results go: values of the templates that the orchestrators share.

    `clones`: the generated file makes the clone itself. `prefix` is the folder of the project in it.
    """

    repository: str | None
    branch: str | None
    prefix: str
    clones: bool
    push: bool
    propose: bool


def checkout(project: Project, options: Orchestrator) -> Checkout:
    """Where the stages run, and where their results go."""
    return {
        "repository": options.repository,
        "branch": options.branch,
        "prefix": project.surroundings.prefix,
        "clones": True,
        "push": pushes(project, options),
        "propose": options.propose,
    }


def watches_data(project: Project) -> bool:
    """Whether the raw data is in files of the project, so that a change of it can be seen."""
    data = project.get(DataSpec)
    return data is not None and data.kind != "remote"


def retrains(project: Project) -> bool:
    """Whether an alarm about the served model starts a training."""
    monitor, data = project.get(Monitor), project.get(DataSpec)
    return monitor is not None and monitor.on_drift == "retrain" and data is not None and data.collected is not None
