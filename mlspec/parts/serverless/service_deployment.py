"""A service of a spec in its account: its parameters, what deploying it changes, and what executes that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlspec.aws.action import Action
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction, Spec, desired_function
from mlspec.aws.function import read_function
from mlspec.errors import StageError
from mlspec.parts.serverless.deployed_stack import DeployedStack, check_owner, deployed_stack
from mlspec.parts.serverless.secret_references import check_secrets
from mlspec.parts.serverless.services import FOLDER, FOUNDATION, FUNCTION_ID, SERVICE, foundation_name, service_name
from mlspec.sections.ci import Ci
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.serverless.serverless_program import Run, Serverless, program, run
from mlspec.serverless.service_provider import ServiceProvider, deploy_actions

_UNKNOWN_DIGEST: Final = "sha256:" + "0" * 64
"""Of an image that is not pushed yet, in a plan."""
_GITHUB: Final = "token.actions.githubusercontent.com"


@dataclass(frozen=True)
class ServiceDeployment:
    """One service. `root` is the project's folder, `folder` that of the service's files."""

    name: str
    spec: Spec
    target: AwsTarget
    root: Path
    folder: Path
    digest: str = ""
    """Of the image that the function is to run, "" where none is pushed yet, and of a zip."""
    run: Run = run

    @property
    def desired(self) -> DesiredFunction:
        """The function in the account of the credentials."""
        return desired_function(self.target, self.spec, self.digest or _UNKNOWN_DIGEST)

    @property
    def stack(self) -> str:
        """The name of its stack."""
        return stack_name(self.desired, self.name)

    def planned(self) -> tuple[list[Action], ServiceProvider]:
        """What deploying the service changes, and what executes it."""
        desired, stack = self.desired, self.stack
        current = deployed_stack(self.target, stack)
        check_owner(stack, current, desired.project, self.target)
        if self.name == SERVICE:
            check_secrets(self.target, desired)
            _check_unmanaged(desired, current)
        service = self._program(self._params(desired, current))
        changes = deploy_actions(stack, service.package(), current.template if current else None)
        return changes, ServiceProvider(service)

    def removal(self) -> ServiceProvider:
        """What removes the service."""
        desired = self.desired
        return ServiceProvider(self._program(self._params(desired, None)))

    def outputs(self) -> dict[str, str]:
        """The outputs of the deployed stack."""
        current = deployed_stack(self.target, self.stack)
        return dict(current.outputs) if current else {}

    def _program(self, params: Mapping[str, str]) -> Serverless:
        path = program(self.spec.need(Deploy).serverless.program)
        work = self.root / ".mlspec" / FOLDER / self.name / "package"
        return Serverless(path, self.folder, work, params, _environ(self.target), self.run)

    def _params(self, desired: DesiredFunction, current: DeployedStack | None) -> dict[str, str]:
        if self.name == FOUNDATION:
            return self._github(current)
        if self.spec.need(Package).zip is not None:
            return {}
        return {"image": desired.image if self.digest else _image(current) or desired.image}

    def _github(self, current: DeployedStack | None) -> dict[str, str]:
        """Which repository may release, and whether the stack creates GitHub's OIDC provider: an account has one."""
        ci = self.spec.get(Ci)
        if ci is None:
            return {}
        own = current is not None and "GithubOidcProvider" in current.template.resources
        create = {"create_oidc_provider": str(own or not _has_provider(self.target)).lower()}
        if ci.github.repository:
            return create
        match = re.match(r"https://github\.com/([^/]+/[^/]+)", self.target.source)
        if match is None:
            message = "the role for releases needs the repository on GitHub, and this folder has no such remote"
            raise StageError(message, help="set ci.github.repository: OWNER/NAME")
        return {**create, "github_repository": match[1]}


def stack_name(desired: DesiredFunction, service: str) -> str:
    """The name of the stack of a service."""
    return foundation_name(desired.name) if service == FOUNDATION else service_name(desired.name)


def _image(current: DeployedStack | None) -> str:
    """The image that the stack has; "" where it has none."""
    function = current.template.resources.get(FUNCTION_ID) if current else None
    code = function.properties.get("Code") if function else None
    return str(code.get("ImageUri", "")) if isinstance(code, dict) else ""


def _check_unmanaged(desired: DesiredFunction, current: DeployedStack | None) -> None:
    """CloudFormation creates nothing that exists: raise StageError for a function that no stack has."""
    if current is not None and FUNCTION_ID in current.template.resources:
        return
    if read_function(desired.target, desired.name) is None:
        return
    message = f"lambda function {desired.name} exists already and is not in a stack: CloudFormation cannot create it"
    help = "keep `iac: none` or use `iac: terraform`, which takes it over; or remove it first: mlspec destroy, without `iac`"
    raise StageError(message, help=help)


def _has_provider(target: AwsTarget) -> bool:
    answer = target.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    return any(str(provider["Arn"]).endswith(f"/{_GITHUB}") for provider in answer)


def _environ(target: AwsTarget) -> Mapping[str, str]:
    """The address and the credentials of an emulated account."""
    if target.endpoint is None:
        return {}
    key, secret = target.credentials or ("", "")
    return {"AWS_ENDPOINT_URL": target.endpoint, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
