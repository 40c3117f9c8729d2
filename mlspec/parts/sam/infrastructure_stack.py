"""The stacks of a spec in its account: their templates and parameters, and the actions that deploy them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from mlspec.aws import alias
from mlspec.aws.action import Action
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction, Spec, check_variables, desired_function
from mlspec.aws.function import read_function
from mlspec.aws.github_release import github_repository, has_github_provider
from mlspec.aws.log_group import LogGroupProvider
from mlspec.aws.ownership import check_ownership
from mlspec.aws.repository import RepositoryProvider
from mlspec.aws.resource_tags import tags
from mlspec.cloudformation.change_set import ChangeSetRequest
from mlspec.cloudformation.existing_stack import Stack, check_changeable, read_stack, read_template, resource_ids
from mlspec.cloudformation.sam_program import RunProgram, SamDeployment, run_program
from mlspec.cloudformation.stack_changes import parameter_changes, template_changes
from mlspec.cloudformation.stack_import import StackImport
from mlspec.cloudformation.stack_provider import StackProvider
from mlspec.cloudformation.stack_template import StackTemplate
from mlspec.errors import StageError
from mlspec.job import write_text
from mlspec.parts.cloudformation import service_resources
from mlspec.parts.cloudformation.adoption import ToolTemplate, service_import
from mlspec.parts.cloudformation.cloudformation_resource import GITHUB_REPOSITORY, ref
from mlspec.parts.cloudformation.foundation_adoption import (
    check_bucket,
    check_budget,
    existing_roles,
    foundation_import,
)
from mlspec.parts.cloudformation.foundation_resources import CREATE_PROVIDER
from mlspec.parts.cloudformation.stacks import FOUNDATION, SERVICE
from mlspec.parts.sam.sam_templates import ARCHIVE, FOLDER, UNKNOWN_DIGEST, secret_parameters, stack_name
from mlspec.records.bundle_signature import BundleSignature
from mlspec.sections.ci import Ci
from mlspec.shipping import breaking_changes

_PROVIDER: Final = "GithubOidcProvider"


@dataclass(frozen=True)
class InfrastructureStack:
    """One stack of a spec. `template` is the text of its template, `root` the project's folder."""

    part: str
    """FOUNDATION or SERVICE."""
    spec: Spec
    target: AwsTarget
    root: Path
    template: str
    digest: str = ""
    """Of the image that it releases, "" where none is pushed yet."""
    run: RunProgram = field(default=run_program, repr=False)

    @cached_property
    def _desired(self) -> DesiredFunction:
        return desired_function(self.target, self.spec, self.digest or UNKNOWN_DIGEST)

    @property
    def name(self) -> str:
        """The stack's name."""
        return stack_name(self._desired.spec, self.part)

    def actions(self) -> tuple[list[Action], StackProvider]:
        """What deploying the stack would change, and who does it. Raises StageError for another project's stack."""
        desired, name = self._desired, self.name
        stack = read_stack(self.target, name)
        taken = self._taken_over(stack)
        self._check(stack, name, desired, taken)
        text = self._comparable(desired)
        parameters = self._parameters(desired, stack, taken)
        current = read_template(self.target, stack) if stack and not stack.is_empty else None
        if self.part == FOUNDATION and taken is None:
            check_bucket(self.spec, desired, current)
        current = current or _known(taken, text)
        shown = {key: value for key, value in parameters.items() if not key.startswith("Secret")}
        changes = (
            *template_changes(StackTemplate.parse(text), current),
            *parameter_changes(shown, stack.parameters if stack else {}),
        )
        first = [Action("stack", name, "import", taken.changes)] if taken else []
        actions = [*first, *([Action("stack", name, "deploy", changes)] if changes else [])]
        deployment = self._deployment(desired, name, parameters)
        return actions, StackProvider(self.target, self.root, self._file, deployment, taken)

    def change_set(self) -> list[Action]:
        """What CloudFormation itself says that deploying the stack would change. Writes a change set and deletes it."""
        desired, name = self._desired, self.name
        stack = read_stack(self.target, name)
        if self._taken_over(stack):
            return self.actions()[0]  # CloudFormation knows no change set of a stack that an import still has to create
        self._check(stack, name, desired, None)
        owned = tags(desired.project, self.target.owner.source)
        parameters = self._parameters(desired, stack)
        request = ChangeSetRequest(self.target, name, stack, self._comparable(desired), parameters, owned)
        changes = request.changes()
        return [Action("stack", name, "deploy", changes)] if changes else []

    @property
    def _file(self) -> str:
        return f"{FOLDER}/{self.part}.yaml"

    def _taken_over(self, stack: Stack | None) -> StackImport | None:
        """What a new stack takes over of what exists: nothing without `--adopt`."""
        if stack is not None or not self.target.owner.adopts:
            return None
        if self.part == FOUNDATION:
            return foundation_import(self.spec, self._desired, self.name)
        ids = {service_resources.ALIAS: f"Function{service_resources.ALIAS}{self._desired.alias}", "Url": "FunctionUrl"}
        address = {"TargetFunctionArn": ref(service_resources.ALIAS), "Qualifier": None}
        tool = ToolTemplate(ids, {"AWS::Lambda::Url": address})
        return service_import(self._desired, self.name, tool, self.root / "artifacts" / "function.zip")

    def _check(self, stack: Stack | None, name: str, desired: DesiredFunction, taken: StackImport | None) -> None:
        if (stack is None or stack.is_empty) and taken is None:
            self._check_free(desired)
        if stack is None:
            return
        command = (
            f"aws cloudformation update-stack --stack-name {name} --use-previous-template "
            "--capabilities CAPABILITY_NAMED_IAM CAPABILITY_AUTO_EXPAND --tags Key={},Value={}"
        )
        owned = f"cloudformation stack {name}"
        check_ownership(owned, stack.tags, desired.project, command, self.target.owner, adoptable=False)
        check_changeable(stack)

    def _check_free(self, desired: DesiredFunction) -> None:
        """Raise StageError where a resource exists that a new stack would create."""
        if self.part == SERVICE and read_function(self.target, desired.name) is not None:
            raise _occupied(f"lambda function {desired.name}", "deploy.lambda.name")
        if self.part == SERVICE:
            for name in (desired.spec.log_group_name, desired.spec.history_group().name):
                if LogGroupProvider(self.target).read(name) is not None:
                    raise _occupied(f"log group {name}", "deploy.lambda.name")
        repository = desired.spec.repository if self.part == FOUNDATION else ""
        if repository and RepositoryProvider(self.target, parts=False).read(repository) is not None:
            raise _occupied(f"ecr repository {repository}", "registry.ecr.repository")
        if self.part == FOUNDATION:
            check_budget(self.spec, desired)
            for role in existing_roles(self.spec, desired).values():
                raise _occupied(f"iam role {role}", "deploy.lambda.name")

    def _delivered(self) -> str:
        """The template with the digest of the image in it."""
        return self.template.replace(UNKNOWN_DIGEST, self.digest) if self.digest else self.template

    def _comparable(self, desired: DesiredFunction) -> str:
        """The template as it is in the stack once it is deployed: SAM puts the zip into the bucket by its digest."""
        zipped, archive = desired.spec.package.zip, self.root / "artifacts" / "function.zip"
        if zipped is None or not archive.is_file():
            return self._delivered()
        key = hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest()
        return self.template.replace(ARCHIVE, f"s3://{zipped.bucket}/mlspec/{desired.name}/{key}")

    def write(self) -> None:
        """Write the copy with the digest of the image, where that is what is deployed."""
        if self._delivers_copy:
            write_text(self._copy, self._delivered())

    @property
    def _delivers_copy(self) -> bool:
        return self.part == SERVICE and bool(self.digest)

    @property
    def _copy(self) -> Path:
        return self._work / f"{self.part}.yaml"

    @property
    def _work(self) -> Path:
        return self.root / ".mlspec" / FOLDER

    def _deployment(self, desired: DesiredFunction, name: str, parameters: Mapping[str, str]) -> SamDeployment:
        image = desired.image.partition("@")[0] if self.part == SERVICE else ""
        return SamDeployment(
            stack=name,
            template=self._copy if self._delivers_copy else self.root / self._file,
            config=self.root / FOLDER / "samconfig.toml",
            environment=self.part,
            region=self.target.region,
            work=self._work,
            tags=tags(desired.project, self.target.owner.source),
            image_repository=image,
            parameters=parameters,
            environ=self.target.environ,
            run=self.run,
        )

    def _parameters(
        self, desired: DesiredFunction, stack: Stack | None, taken: StackImport | None = None
    ) -> dict[str, str]:
        if self.part == FOUNDATION:
            return self._github(stack, taken)
        secrets = secret_parameters(desired.spec.options)
        return {parameter: desired.variables[name] or "" for name, parameter in secrets.items()}

    def _github(self, stack: Stack | None, taken: StackImport | None) -> dict[str, str]:
        """The repository that may release, and whether the stack creates GitHub's OIDC provider: an account has one."""
        ci = self.spec.get(Ci)
        if ci is None:
            return {}
        repository = github_repository(self.target, ci.github.repository)
        own = stack is not None and _PROVIDER in resource_ids(self.target, stack)
        own = own or (taken is not None and _PROVIDER in taken.template.resources)
        create = own or not has_github_provider(self.target)
        return {GITHUB_REPOSITORY: repository, CREATE_PROVIDER: str(create).lower()}

    def check_release(self, packed: BundleSignature | None, *, allow_breaking: bool) -> None:
        """Raise StageError where a variable of the function has no value here, or the new version would break clients
        of the live one. `packed` is the signature of a zip."""
        check_variables(self._desired)
        if not allow_breaking:
            live = alias.read(self.target, self._desired.name, self._desired.alias)
            breaking_changes.refuse(self._desired, live, packed)


def _occupied(resource: str, key: str) -> StageError:
    message = f"{resource} exists already, and a new stack would create it"
    return StageError(message, help=f"take it over: mlspec apply --adopt; or choose another name ({key})")


def _known(taken: StackImport | None, template: str) -> StackTemplate | None:
    """What is imported of the template; SAM itself creates the version, the alias and the address that are too."""
    if taken is None:
        return None
    desired = StackTemplate.parse(template).resources
    return StackTemplate({id: one for id, one in taken.template.resources.items() if id in desired})
