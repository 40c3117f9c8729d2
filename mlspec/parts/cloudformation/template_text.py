"""Texts of a spec that CloudFormation would read as more than text. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.sections.deploy import Lambda
from mlspec.spec.project import Project, ProjectInfo

_DYNAMIC: Final = "{{resolve:"
_ENVIRONMENT: Final = ("deploy", "lambda", "environment")


def check_text(project: Project, options: Lambda) -> Iterator[Finding]:
    """A description with a dynamic reference, and a variable whose name alone makes its value a reference.

    The value of a variable may be a dynamic reference: it is how a secret of AWS Secrets Manager gets there.
    """
    info = project.get(ProjectInfo)
    if info is not None and _DYNAMIC in info.description:
        message = "CloudFormation replaces `{{resolve:...}}` in the description by a value"
        yield Finding("template-text", ("project", "description"), message, "write it without the braces")
    if set(options.environment) == {"Ref"}:
        message = "CloudFormation reads a single variable `Ref` as a reference to a resource"
        yield Finding("template-text", (*_ENVIRONMENT, "Ref"), message, "give the variable another name", on="key")
