"""What the spec wants deployed, with what is only known on the day: the account, the image, values of variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from mlspec.aws import account, cli_input
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.cli_input import Function
from mlspec.aws.converge import sourced
from mlspec.errors import StageError
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.sections.registry import Ecr, Registry
from mlspec.spec.project import ProjectInfo
from mlspec.spec.types import SecretRef

S = TypeVar("S", bound=BaseModel)
MAX_ENVIRONMENT = 4096


class Spec(Protocol):
    """Where sections come from: a stage's Job, or the Project of a plan."""

    def get(self, section: type[S]) -> S | None: ...  # noqa: D102

    def need(self, section: type[S]) -> S: ...  # noqa: D102


@dataclass(frozen=True)
class ZipArchive:
    """A zip with the function's code."""

    path: Path
    sha256: str
    """In base64, as Lambda answers it."""
    direct: bool = True
    """Whether it is small enough for the call itself."""


@dataclass(frozen=True)
class DesiredFunction:
    """A function as it is to be. `image` is its address by digest, "" where it runs the code of `archive`; `variables`
    has None for what is not set here."""

    target: AwsTarget
    function: Function
    image: str
    variables: Mapping[str, str | None] = field(repr=False)
    archive: ZipArchive | None = None

    @property
    def project(self) -> str:
        """The project's name."""
        return self.function.info.name

    @property
    def digest(self) -> str:
        """Digest of the image; "" where it is still to be pushed, and of a zip."""
        return self.image.rpartition("@")[2]

    def input(self) -> dict[str, Any]:
        """Input of CreateFunction but for its code: `lambda/function.json` with its placeholders filled."""
        made = cli_input.create_function(self.function)
        made.pop("Code", None)
        if self.variables:
            made["Environment"] = {"Variables": {name: value or "" for name, value in self.variables.items()}}
        return made | {"Publish": False, "Tags": sourced(made["Tags"], self.target.source)}


def place(spec: Spec) -> Ecr:
    """Where the spec ships to: its registry, or for a zip only the region."""
    options = spec.need(Deploy).lambda_ if spec.get(Deploy) else None
    registry = spec.get(Registry)
    ecr = cli_input.ecr_of(options, registry) if options else registry.ecr if registry else None
    assert ecr is not None, "a spec that ships nowhere has no stage that ships"
    return ecr


def desired_function(target: AwsTarget, spec: Spec, digest: str, archive: ZipArchive | None = None) -> DesiredFunction:
    """What is wanted of the target, for the image with that digest or for a zip. Asks AWS whose account it is."""
    ecr = account.completed(target, place(spec))
    options = spec.need(Deploy).lambda_
    assert options is not None, "a spec without deploy.lambda has no stage that deploys"
    package = spec.need(Package)
    function = Function(spec.need(ProjectInfo), options, package, ecr)
    image = "" if package.zip else f"{account.repository(target, ecr)}@{digest}"
    return DesiredFunction(target, function, image, _variables(options.environment), archive)


def _variables(named: Mapping[str, str | SecretRef]) -> dict[str, str | None]:
    return {name: os.environ.get(v.env) if isinstance(v, SecretRef) else v for name, v in named.items()}


def complete(desired_function: DesiredFunction) -> None:
    """Refuse to deploy without a value that the spec refers to, or with more than Lambda holds."""
    named = desired_function.function.options.environment
    for name, value in desired_function.variables.items():
        source = named[name]
        if not value and isinstance(source, SecretRef):
            message = f"the function's variable {name} comes from {source.env}, which is not set here"
            raise StageError(message, help=f"export {source.env}=..., then: mlspec apply")
    size = sum(len(name.encode()) + len((value or "").encode()) for name, value in desired_function.variables.items())
    if size > MAX_ENVIRONMENT:
        message = f"the function's variables take {size} bytes, and Lambda allows {MAX_ENVIRONMENT} in all"
        raise StageError(message, help="keep long values in a file of the image, or in AWS Secrets Manager")
