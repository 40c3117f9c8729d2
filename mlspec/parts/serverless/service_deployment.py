"""A service of a spec in its account: its parameters, what deploying it changes, and what executes that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from mlspec.aws import alias
from mlspec.aws.action import Action
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction, Spec, check_variables, desired_function
from mlspec.aws.function import read_function
from mlspec.aws.github_release import github_repository, has_github_provider
from mlspec.aws.log_group import LogGroupProvider
from mlspec.aws.ownership import check_ownership
from mlspec.aws.repository import RepositoryProvider
from mlspec.cloudformation.change_set import ChangeSetRequest
from mlspec.cloudformation.existing_stack import Stack, check_changeable, read_stack, read_template
from mlspec.cloudformation.sam_program import RunProgram, run_program
from mlspec.cloudformation.stack_changes import template_changes
from mlspec.cloudformation.stack_import import StackImport
from mlspec.cloudformation.stack_template import StackTemplate, TemplateResource
from mlspec.errors import StageError
from mlspec.parts.cloudformation import service_resources
from mlspec.parts.cloudformation.adoption import ToolTemplate, service_import
from mlspec.parts.cloudformation.foundation_adoption import (
    check_bucket,
    check_budget,
    existing_roles,
    foundation_import,
)
from mlspec.parts.cloudformation.stacks import FOUNDATION, SERVICE
from mlspec.parts.serverless.secret_references import check_secrets
from mlspec.parts.serverless.services import FOLDER, FUNCTION_ID, LOG_GROUP_ID, foundation_name, service_name
from mlspec.records.bundle_signature import BundleSignature
from mlspec.sections.ci import Ci
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.serverless.serverless_program import Serverless, program
from mlspec.serverless.service_provider import ServiceProvider
from mlspec.shipping import breaking_changes

_UNKNOWN_DIGEST: Final = "sha256:" + "0" * 64
"""Of an image that is not pushed yet, in a plan."""
_BUCKET: Final = "ServerlessDeploymentBucket"
"""Is in each stack of the framework."""
_UPLOADS: Final = (_BUCKET, f"{_BUCKET}Policy")
"""What the framework demands of a stack before it deploys to it."""
_RESOURCE: Final = {SERVICE: FUNCTION_ID, FOUNDATION: "Repository"}
"""What is in the stack of each service once it was deployed."""
_UPLOADED: Final = ("S3Key", "S3ObjectVersion")
"""Where a package lies in the bucket: another place with each upload, also of the same code."""


@dataclass(frozen=True)
class ServiceDeployment:
    """One service. `root` is the project's folder, `folder` that of the service's files."""

    name: str
    """FOUNDATION or SERVICE."""
    spec: Spec
    target: AwsTarget
    root: Path
    folder: Path
    digest: str = ""
    """Of the image that the function is to run, "" where none is pushed yet, and of a zip."""
    run: RunProgram = field(default=run_program, repr=False)

    @cached_property
    def _desired(self) -> DesiredFunction:
        return desired_function(self.target, self.spec, self.digest or _UNKNOWN_DIGEST)

    @property
    def stack(self) -> str:
        """The name of its stack."""
        return stack_name(self._desired, self.name)

    def planned(self) -> tuple[list[Action], ServiceProvider]:
        """What deploying the service changes, and what executes it. Raises StageError for what CloudFormation cannot
        create, and for another project's stack."""
        stack = read_stack(self.target, self.stack)
        current = read_template(self.target, stack) if stack and not stack.is_empty else None
        taken = self._taken_over(stack)
        self._check(stack, current, taken)
        service = self._program(self._params(taken.template if taken else current))
        package = service.package()
        taken = replace(taken, more=package.bodies(*_UPLOADS)) if taken else None
        known = taken.template if taken else current
        changes = template_changes(_comparable(package.template), _comparable(known) if known else None)
        first = [Action("stack", self.stack, "import", taken.changes)] if taken else []
        actions = [*first, *([Action("stack", self.stack, "deploy", changes)] if changes else [])]
        return actions, ServiceProvider(service, taken)

    def change_set(self) -> list[Action]:
        """What CloudFormation itself says that deploying the service would change. Writes a change set, and deletes
        it."""
        stack = read_stack(self.target, self.stack)
        if self._taken_over(stack):
            return self.planned()[0]  # CloudFormation knows no change set of a stack that an import still has to create
        current = read_template(self.target, stack) if stack and not stack.is_empty else None
        self._check(stack, current, None)
        package = self._program(self._params(current)).package()
        request = ChangeSetRequest(self.target, self.stack, stack, package.text, package.parameters, package.tags)
        changes = request.changes()
        return [Action("stack", self.stack, "deploy", changes)] if changes else []

    def check_release(self, packed: BundleSignature | None, *, allow_breaking: bool) -> None:
        """Raise StageError where the variables of the function are too large, or the new version would break clients of
        the live one. `packed` is the signature of a zip."""
        check_variables(self._desired)
        if not allow_breaking:
            live = alias.read(self.target, self._desired.name, self._desired.alias)
            breaking_changes.refuse(self._desired, live, packed)

    def removal(self) -> ServiceProvider:
        """What removes the service. Its file needs a value for each parameter, whatever it is."""
        return ServiceProvider(self._program({"image": self._desired.image, "github_repository": "owner/name"}))

    def outputs(self) -> Mapping[str, str]:
        """The outputs of the deployed stack."""
        stack = read_stack(self.target, self.stack)
        return stack.outputs if stack else {}

    def _taken_over(self, stack: Stack | None) -> StackImport | None:
        """What a new stack takes over of what exists: nothing without `--adopt`."""
        if stack is not None or not self.target.owner.adopts:
            return None
        if self.name == FOUNDATION:
            return foundation_import(self.spec, self._desired, self.stack)
        ids = {service_resources.FUNCTION: FUNCTION_ID, service_resources.LOG_GROUP: LOG_GROUP_ID}
        zipped = self._desired.spec.package.zip is not None
        tool = ToolTemplate(ids, {"AWS::Lambda::Function": {"PackageType": None}} if zipped else {})
        return service_import(self._desired, self.stack, tool, self.root / "artifacts" / "function.zip")

    def _check(self, stack: Stack | None, current: StackTemplate | None, taken: StackImport | None) -> None:
        if stack is not None:
            command = f"{_RETAG} --stack-name {stack.name} --tags Key={{}},Value={{}}"
            owned, project = f"cloudformation stack {stack.name}", self._desired.project
            check_ownership(owned, stack.tags, project, command, self.target.owner, adoptable=False)
            check_changeable(stack)
        if current is not None and current.resources and _BUCKET not in current.resources:
            message = f"cloudformation stack {self.stack} was not created by the Serverless Framework"
            raise StageError(message, help=_GIVE_UP)
        if self.name == SERVICE:
            check_secrets(self.target, self._desired)
        if self.name == FOUNDATION and taken is None:
            check_bucket(self.spec, self._desired, current)
        if taken is None and (current is None or _RESOURCE[self.name] not in current.resources):
            self._check_free()

    def _check_free(self) -> None:
        """Raise StageError where a resource exists that the stack would create."""
        desired, repository = self._desired, self._desired.spec.repository
        if self.name == SERVICE and read_function(self.target, desired.name) is not None:
            raise _occupied(f"lambda function {desired.name}", "deploy.lambda.name")
        if self.name == SERVICE:
            for name in (desired.spec.log_group_name, desired.spec.history_group().name):
                if LogGroupProvider(self.target).read(name) is not None:
                    raise _occupied(f"log group {name}", "deploy.lambda.name")
        if self.name == FOUNDATION and repository and _repository_exists(self.target, repository):
            raise _occupied(f"ecr repository {repository}", "registry.ecr.repository")
        if self.name == FOUNDATION:
            check_budget(self.spec, desired)
            for role in existing_roles(self.spec, desired).values():
                raise _occupied(f"iam role {role}", "deploy.lambda.name")

    def _program(self, params: Mapping[str, str]) -> Serverless:
        path = program(self.spec.need(Deploy).serverless.program)
        work = self.root / ".mlspec" / FOLDER / self.name
        return Serverless(path, self.folder, work, params, self.target.environ, self.run)

    def _params(self, current: StackTemplate | None) -> dict[str, str]:
        if self.name == FOUNDATION:
            return self._github(current)
        if self.spec.need(Package).zip is not None:
            return {}
        return {"image": self._desired.image}

    def _github(self, current: StackTemplate | None) -> dict[str, str]:
        """The repository that may release, and whether the stack creates GitHub's OIDC provider: an account has one."""
        ci = self.spec.get(Ci)
        if ci is None:
            return {}
        repository = github_repository(self.target, ci.github.repository)
        own = current is not None and "GithubOidcProvider" in current.resources
        create = own or not has_github_provider(self.target)
        return {"github_repository": repository, "create_oidc_provider": str(create).lower()}


_GIVE_UP: Final = "give it up and keep its resources: mlspec destroy --keep-resources, with the former `deploy.iac`"
_RETAG: Final = "aws cloudformation update-stack --use-previous-template --capabilities CAPABILITY_NAMED_IAM"


def stack_name(desired: DesiredFunction, service: str) -> str:
    """The name of the stack of a service."""
    return foundation_name(desired.name) if service == FOUNDATION else service_name(desired.name)


def _comparable(template: StackTemplate) -> StackTemplate:
    """The template without the place of an uploaded package and the order of creation, which change no resource."""
    return StackTemplate({id: _settings(resource) for id, resource in template.resources.items()})


def _settings(resource: TemplateResource) -> TemplateResource:
    properties, code = dict(resource.properties), resource.properties.get("Code")
    if isinstance(code, dict):
        properties["Code"] = {name: value for name, value in code.items() if name not in _UPLOADED}
    attributes: dict[str, JsonValue] = {k: v for k, v in resource.attributes.items() if k != "DependsOn"}
    return TemplateResource(resource.type, properties, attributes)


def _repository_exists(target: AwsTarget, name: str) -> bool:
    return RepositoryProvider(target, parts=False).read(name) is not None


def _occupied(resource: str, key: str) -> StageError:
    message = f"{resource} exists already and is not in a stack: CloudFormation cannot create it"
    return StageError(message, help=f"take it over: mlspec apply --adopt; or set {key} to another name")
