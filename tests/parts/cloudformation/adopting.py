"""A project that `mlspec apply` has deployed without a tool, and stacks that take it over."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from mlspec.aws.action import lines
from mlspec.aws.function import read_function
from mlspec.aws.function_resource import Function
from mlspec.aws.resource_owner import ResourceOwner
from mlspec.cloudformation.sam_program import run_program
from mlspec.compiler import compile_project
from mlspec.parts.sam import stack_preview, work
from mlspec.parts.serverless import service_preview
from mlspec.parts.serverless import work as serverless
from tests.parts.sam.sam_environment import sam_folder
from tests.shipping.cloud import Calls, Shipped, services_with_rights, watched

FUNCTION = "{url: {type: http-api}, alarms: {error_rate: '> 0.05'}, environment: {LEVEL: high}}"
UPLOADS = {"ServerlessDeploymentBucket", "ServerlessDeploymentBucketPolicy"}
"""Where the framework uploads its package."""

_OFTEN: Final = {"SLS_AWS_MONITORING_FREQUENCY": "200", "SAM_CLI_POLL_DELAY": "0.2"}
"""How often the programs ask for the state of a stack."""


@dataclass(frozen=True)
class Live:
    """A function, and what its clients have of it: the code that runs, and where they find it."""

    function: Function
    version: str
    code: str
    alias: str
    addresses: tuple[str, ...]


@dataclass
class Adopting:
    """A project with `--adopt`. Only where it `deploys` does the tool's own program run after an import."""

    project: Shipped
    deploys: bool
    calls: Calls
    """Of all services but CloudFormation."""
    stacks: Calls
    """Those of CloudFormation."""
    started: list[tuple[str, Live | None]] = field(default_factory=list)
    """What was started to deploy a stack, and what was live then: after the import."""

    @property
    def name(self) -> str:
        """Of the project, and of its function."""
        return compile_project(self.project.root / "mlproject.yaml").project.info.name

    def plan(self, stage: str, *, adopt: bool = True) -> list[str]:
        project = self.project
        spec = compile_project(project.root / "mlproject.yaml").project
        target = project.target if adopt else replace(project.target, owner=ResourceOwner())
        preview = service_preview if self.is_serverless else stack_preview
        observe: Callable[..., Any] = getattr(preview, stage)
        return lines(observe(spec, project.artifacts, project.context, target))

    def apply(self, stage: str) -> None:
        self.project.write_files()
        deploy = serverless.apply if self.is_serverless else work.deploy
        deploy(self.project.job(), stage, self.project.target, self.run)

    def live(self) -> Live | None:
        """What clients have now; None without a function."""
        target, name = self.project.target, self.name
        client = target.client("lambda")
        function = read_function(target, name)
        if function is None:
            return None
        alias = client.get_alias(FunctionName=name, Name="live")
        urls = client.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]
        apis = target.client("apigatewayv2").get_apis()["Items"]
        code = client.get_function(FunctionName=name, Qualifier="live")
        addresses = (*(one["FunctionUrl"] for one in urls), *(one["ApiEndpoint"] for one in apis))
        return Live(function, alias["FunctionVersion"], _code(code), alias["AliasArn"], addresses)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What was sent to import resources; botocore itself checks each."""
        return self._sent("CreateChangeSet")

    @property
    def updates(self) -> list[dict[str, Any]]:
        """What was sent to update a stack."""
        return self._sent("UpdateStack")

    @property
    def remaining(self) -> list[str]:
        """The stacks that there are."""
        listed = self.project.target.client("cloudformation").describe_stacks()["Stacks"]
        return sorted(one["StackName"] for one in listed)

    def _sent(self, operation: str) -> list[dict[str, Any]]:
        return [given for _, sent, given in self.stacks.recorded if sent == operation]

    @property
    def is_serverless(self) -> bool:
        """Whether the tool is the Serverless Framework."""
        return "iac: serverless" in (self.project.root / "mlproject.yaml").read_text()

    def run(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
        """Runs a tool's program, but for a deployment that is not to be."""
        if command[1] == "deploy":
            self.started.append((f"{Path(command[0]).name} deploy {folder.name}", self.live()))
            if not self.deploys:
                return 0, ""
        own = {"PATH": f"{sam_folder() / 'bin'}{os.pathsep}{os.environ['PATH']}", **_OFTEN}
        return run_program(command, folder, {**environ, **own})


def taking_over(project: Shipped, *, deploys: bool = False) -> Adopting:
    """The project with `--adopt`."""
    target = replace(project.target, owner=ResourceOwner(adopts=True))
    others = tuple(service for service in services_with_rights() if service != "cloudformation")
    calls, stacks = watched(target, others), watched(target, ("cloudformation",))
    return Adopting(replace(project, target=target), deploys, calls, stacks)


def resources(request: Mapping[str, Any]) -> dict[str, Any]:
    """The resources of the template in a request."""
    described: dict[str, Any] = json.loads(request["TemplateBody"])["Resources"]
    return described


def lint(request: Mapping[str, Any]) -> list[str]:
    """What cfn-lint finds in the template of a request."""
    from cfnlint import lint as check

    return [str(match) for match in check(request["TemplateBody"], regions=["eu-west-1"])]


def identifiers(request: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What is imported: what identifies it, by its type."""
    return {one["ResourceType"]: one["ResourceIdentifier"] for one in request["ResourcesToImport"]}


def _code(answer: Mapping[str, Any]) -> str:
    """The digest of a zip, or the image by its own."""
    return str(answer["Code"].get("ImageUri") or answer["Configuration"]["CodeSha256"])
