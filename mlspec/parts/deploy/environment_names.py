"""Two environments of one spec: their functions have different names, or the spec is refused. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.diagnostics import Finding
from mlspec.sections.deploy import Deploy
from mlspec.source.document import Plain
from mlspec.spec.names import suffixed
from mlspec.spec.project import Project
from mlspec.spec.shared_values import Shared, Values, at, shared

_FUNCTION = ("deploy", "lambda")
_ACCOUNT = ("registry", "ecr", "account")


def name_after(environment: str, given: dict[str, Plain]) -> None:
    """Complete the function's name where the spec has none: `cola-staging`."""
    function, project = at(given, ("deploy", "lambda")), at(given, ("project", "name"))
    if isinstance(function, dict) and not function.get("name") and isinstance(project, str):
        function["name"] = suffixed(project.replace(".", "-"), environment)


def check(project: Project, deploy: Deploy) -> Iterator[Finding]:
    """Functions and roles that two environments share, or one of them with the spec without an environment."""
    if deploy.lambda_ is None:
        return
    functions = list(shared(project, (*_FUNCTION, "name"), lambda values: (_region(values), at(values, _ACCOUNT))))
    for same in functions:
        message = f"{same.one} and {same.other} would share the function `{same.name}`, with its role, alias and log"
        default = suffixed(str(at(same.theirs[0], ("project", "name"))).replace(".", "-"), same.environment)
        help = _another(same, f"where no name is given at all, it ends with that of the environment: {default}")
        yield Finding("shared-function", ("environments", same.environment), message, help, on="key")
    known = {(same.name, same.environment) for same in functions}
    for same in shared(project, (*_FUNCTION, "name"), lambda values: at(values, _ACCOUNT)):
        if (same.name, same.environment) not in known and not any(at(v, (*_FUNCTION, "role")) for v in same.theirs):
            message = (
                f"{same.one} and {same.other} would share the role `{same.name}`: a role is its account's, in all "
                "regions, and its policy names the logs of one"
            )
            help = _another(same, "or set deploy.lambda.role to a role that exists and has the rights of both")
            yield Finding("shared-role", ("environments", same.environment), message, help, on="key")


def _region(values: Values) -> object:
    return at(values, (*_FUNCTION, "region")) or at(values, ("registry", "ecr", "region"))


def _another(same: Shared, otherwise: str) -> str:
    return f"set environments.{same.environment}.deploy.lambda.name to another name; {otherwise}"
