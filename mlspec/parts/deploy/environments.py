"""Two environments of one spec: their functions have different names, or the spec is refused. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlspec.parts.deploy.spec import Deploy
from mlspec.spec.base import Finding
from mlspec.spec.names import suffixed
from mlspec.spec.project import Project

_NAME = ("deploy", "lambda", "name")
_PLACES = (("deploy", "lambda", "region"), ("registry", "ecr", "region"), ("registry", "ecr", "account"))
"""Functions of one name in two regions or accounts are two functions."""


def name_after(environment: str, given: dict[str, Any]) -> None:
    """Complete the function's name where the spec has none: `cola-staging`."""
    function, project = _at(given, ("deploy", "lambda")), _at(given, ("project", "name"))
    if isinstance(function, dict) and not function.get("name") and isinstance(project, str):
        function["name"] = suffixed(project.replace(".", "-"), environment)


def check(project: Project, deploy: Deploy) -> Iterator[Finding]:
    """Names that the chosen environment shares with the spec without one, or with another environment."""
    environment, known = project.environment, project.given.get("environments")
    if environment is None or deploy.lambda_ is None or not isinstance(known, Mapping):
        return
    name = deploy.lambda_.name
    own = known.get(environment)
    if _elsewhere(own):
        return
    others = [other for other, patch in known.items() if other != environment and not _elsewhere(patch)]
    if not _at(own, _NAME) and name != _default(project, environment):
        sharing = "the spec without an environment"
    else:
        sharing = next((f"the environment `{o}`" for o in others if _at(known[o], _NAME) == name), "")
    if sharing:
        shared = f"share the function `{name}`, with its role, alias and log"
        message = f"the environment `{environment}` and {sharing} would {shared}"
        help = (
            f"set environments.{environment}.deploy.lambda.name to another name; where no name is given at all, "
            f"it ends with that of the environment: {_default(project, environment)}"
        )
        yield Finding("shared-function", _NAME, message, help)


def _default(project: Project, environment: str) -> str:
    return suffixed(project.info.name.replace(".", "-"), environment)


def _elsewhere(patch: object) -> bool:
    return any(_at(patch, place) for place in _PLACES)


def _at(value: object, path: tuple[str, ...]) -> object:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
