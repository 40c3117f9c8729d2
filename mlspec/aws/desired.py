"""The deployment of a spec, completed with what the run determines: account, image, values of variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from mlspec.aws.account import located, repository_name, repository_uri
from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.ecr import ecr_location
from mlspec.aws.function_resource import Function
from mlspec.aws.function_spec import FunctionSpec, function_location
from mlspec.errors import StageError
from mlspec.sections.delivery_tool import DIRECT, DeliveryTool
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.spec.project import ProjectInfo, SectionLookup
from mlspec.spec.types import SecretRef

MAX_ENVIRONMENT: Final = 4096


Spec = SectionLookup
"""Where sections come from: a stage's Job, or the Project of a plan."""


@dataclass(frozen=True)
class ZipArchive:
    """A zip with the function's code."""

    path: Path
    sha256: str
    """In base64, as Lambda reports it."""
    direct: bool = True
    """Whether it is small enough to be sent within a request."""


@dataclass(frozen=True)
class DesiredFunction:
    """A function to be deployed. `image` is its address by digest, "" where it runs the code of `archive`; `variables`
    has None for what is not set here."""

    target: AwsTarget
    spec: FunctionSpec
    image: str
    variables: Mapping[str, str | None] = field(repr=False)
    archive: ZipArchive | None = None
    tool: DeliveryTool = DIRECT
    """What creates the function. Where another tool does, only its code and alias change here; where that also
    releases, nothing of the function."""

    @property
    def name(self) -> str:
        """The function's name."""
        return self.spec.name

    @property
    def alias(self) -> str:
        """The alias that clients use."""
        return self.spec.options.alias

    @property
    def project(self) -> str:
        """The project's name."""
        return self.spec.info.name

    @property
    def location(self) -> AwsLocation:
        """Where it runs."""
        return self.spec.location

    @property
    def digest(self) -> str:
        """Digest of the image; "" where it is still to be pushed, and of a zip."""
        return self.image.rpartition("@")[2]

    def function(self) -> Function:
        """The function itself, with its image or the digest of its archive."""
        return replace(self.spec.function(), image=self.image, sha256=self.archive.sha256 if self.archive else "")


def spec_location(spec: Spec) -> AwsLocation:
    """Where the spec ships to: its registry, or for a zip only the region."""
    options, registry = spec.need(Deploy).lambda_ if spec.get(Deploy) else None, spec.get(Registry)
    location = function_location(options, registry) if options else ecr_location(registry.ecr) if registry else None
    assert location is not None, "a spec that ships nowhere has no stage that ships"
    return location


def desired_function(target: AwsTarget, spec: Spec, digest: str, archive: ZipArchive | None = None) -> DesiredFunction:
    """The function of the spec, for the image with that digest or for a zip. Asks AWS whose account it is."""
    location, registry = located(target, spec_location(spec)), spec.get(Registry)
    options = spec.need(Deploy).lambda_
    assert options is not None, "a spec without deploy.lambda has no stage that deploys"
    package = spec.need(Package)
    repository = repository_name(target, registry.ecr.repository) if registry else ""
    function = FunctionSpec(spec.need(ProjectInfo), options, package, location, repository, target.owner.source)
    image = "" if package.zip else f"{repository_uri(target, location, repository)}@{digest}"
    tool = target.tool(spec)
    variables = _variables(options.environment, secrets=not tool.reads_secrets)
    return DesiredFunction(target, function, image, variables, archive, tool)


def _variables(named: Mapping[str, str | SecretRef], *, secrets: bool) -> dict[str, str | None]:
    values = {name: _secret(v) if isinstance(v, SecretRef) and secrets else v for name, v in named.items()}
    return {name: None if isinstance(value, SecretRef) else value for name, value in values.items()}


def _secret(secret: SecretRef) -> str | None:
    return os.environ.get(secret.env)


def check_variables(desired: DesiredFunction) -> None:
    """Refuse to deploy without a value that the spec refers to, or with more than Lambda holds."""
    named = desired.spec.options.environment
    for name, value in desired.variables.items():
        source = named[name]
        if not value and isinstance(source, SecretRef) and not desired.tool.reads_secrets:
            message = f"the function's variable {name} comes from {source.env}, which is not set here"
            raise StageError(message, help=f"export {source.env}=..., then: mlspec apply")
    size = sum(len(name.encode()) + len((value or "").encode()) for name, value in desired.variables.items())
    if size > MAX_ENVIRONMENT:
        message = f"the function's variables take {size} bytes, and Lambda allows {MAX_ENVIRONMENT} in all"
        raise StageError(message, help="keep long values in a file of the image, or in AWS Secrets Manager")
