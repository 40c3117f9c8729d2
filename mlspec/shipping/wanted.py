"""What the spec wants deployed, with what is only known on the day: the account, the image, values of variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from mlspec.errors import StageError
from mlspec.parts.deploy import settings
from mlspec.parts.deploy.settings import Function
from mlspec.parts.deploy.spec import Deploy
from mlspec.parts.images.spec import Registry
from mlspec.parts.package.spec import Package
from mlspec.shipping import account
from mlspec.shipping.target import Target
from mlspec.spec.project import ProjectInfo
from mlspec.spec.types import SecretRef

S = TypeVar("S", bound=BaseModel)
MAX_ENVIRONMENT = 4096


class Spec(Protocol):
    """Where sections come from: a stage's Job, or the Project of a plan."""

    def get(self, section: type[S]) -> S | None: ...  # noqa: D102

    def need(self, section: type[S]) -> S: ...  # noqa: D102


@dataclass(frozen=True)
class Wanted:
    """A function as it is to be. `image` is its address by digest; `variables` has None for what is not set here."""

    target: Target
    function: Function
    image: str
    variables: Mapping[str, str | None] = field(repr=False)

    @property
    def project(self) -> str:
        """The project's name."""
        return self.function.info.name

    def input(self) -> dict[str, Any]:
        """Input of CreateFunction: `lambda/function.json` with its placeholders filled."""
        made = settings.create_function(self.function)
        made["Code"] = {"ImageUri": self.image}
        if self.variables:
            made["Environment"] = {"Variables": {name: value or "" for name, value in self.variables.items()}}
        return made | {"Publish": False}


def wanted(target: Target, spec: Spec, digest: str) -> Wanted:
    """What is wanted of the target for the image with that digest. Asks AWS whose account it is."""
    ecr = account.completed(target, spec.need(Registry).ecr)
    options = spec.need(Deploy).lambda_
    assert options is not None, "a spec without deploy.lambda has no stage that deploys"
    function = Function(spec.need(ProjectInfo), options, spec.need(Package).docker, ecr)
    image = f"{account.repository(target, ecr)}@{digest}"
    return Wanted(target, function, image, _variables(options.environment))


def _variables(named: Mapping[str, str | SecretRef]) -> dict[str, str | None]:
    return {name: os.environ.get(v.env) if isinstance(v, SecretRef) else v for name, v in named.items()}


def complete(wanted: Wanted) -> None:
    """Refuse to deploy without a value that the spec refers to, or with more than Lambda holds."""
    named = wanted.function.options.environment
    for name, value in wanted.variables.items():
        source = named[name]
        if not value and isinstance(source, SecretRef):
            message = f"the function's variable {name} comes from {source.env}, which is not set here"
            raise StageError(message, help=f"export {source.env}=..., then: mlspec apply")
    size = sum(len(name.encode()) + len((value or "").encode()) for name, value in wanted.variables.items())
    if size > MAX_ENVIRONMENT:
        message = f"the function's variables take {size} bytes, and Lambda allows {MAX_ENVIRONMENT} in all"
        raise StageError(message, help="keep long values in a file of the image, or in AWS Secrets Manager")
