"""How long a job of a workflow may train: from `ci.github.timeout`, or from the time limits of the stages. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from mlspec.diagnostics import Finding
from mlspec.plan.stage import Stage
from mlspec.sections.ci import Github
from mlspec.sections.run import RunSpec
from mlspec.spec.project import Project
from mlspec.spec.types import duration_seconds

USUAL, LONGEST = 120, 360
"""Minutes; 360 is GitHub's limit."""
_OTHER_STEPS = 30
"""Minutes for the installation, the DVC cache and the report."""


def training_minutes(github: Github, stages: Sequence[Stage]) -> int:
    """`timeout-minutes` of a job that runs all stages which change nothing outside the project."""
    limits = [stage.resources.timeout for stage in stages if not stage.effects]
    needed = math.ceil(sum(limit or 0 for limit in limits) / 60) + _OTHER_STEPS
    return github.timeout or min(LONGEST, needed if all(limits) else max(USUAL, needed))


def check_limits(project: Project, github: Github) -> Iterator[Finding]:
    """Time limits of stages that no job of a workflow reaches."""
    section, most = project.get(RunSpec), github.timeout or LONGEST
    for name, own in section.resources.items() if section is not None else ():
        if own.timeout is not None and duration_seconds(own.timeout) > most * 60:
            message = f"the workflows stop a training after {most} minutes, before the time limit of `{name}`"
            raised = f"raise `ci.github.timeout`; GitHub's limit is {LONGEST}"
            help = raised if github.timeout else "lower it, or train elsewhere"
            at = ("run", "resources", name, "timeout")
            yield Finding("conflicting-options", at, message, help, severity="warning")
