"""Two environments of one spec: their functions have different names, or the spec is refused. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlspec.sections.deploy import Deploy
from mlspec.spec.base import Finding
from mlspec.spec.environments import at, shared
from mlspec.spec.names import suffixed
from mlspec.spec.project import Project

_NAME = ("deploy", "lambda", "name")
_PLACES = (("deploy", "lambda", "region"), ("registry", "ecr", "region"), ("registry", "ecr", "account"))
"""Functions of one name in two regions or accounts are two functions."""


def name_after(environment: str, given: dict[str, Any]) -> None:
    """Complete the function's name where the spec has none: `cola-staging`."""
    function, project = at(given, ("deploy", "lambda")), at(given, ("project", "name"))
    if isinstance(function, dict) and not function.get("name") and isinstance(project, str):
        function["name"] = suffixed(project.replace(".", "-"), environment)


def check(project: Project, deploy: Deploy) -> Iterator[Finding]:
    """Functions that two environments share, or one of them with the spec without an environment."""
    if deploy.lambda_ is None:
        return

    def default(environment: str) -> str:
        return suffixed(project.info.name.replace(".", "-"), environment)

    for name, one, other, environment in shared(project, _NAME, default, _PLACES):
        message = f"{one} and {other} would share the function `{name}`, with its role, alias and log"
        help = (
            f"set environments.{environment}.deploy.lambda.name to another name; where no name is given at all, "
            f"it ends with that of the environment: {default(environment)}"
        )
        yield Finding("shared-function", ("environments", environment), message, help, on="key")
