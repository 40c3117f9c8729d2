"""The Terraform modules of a spec in its account: their variables, and the actions that apply them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mlspec.aws.action import Action, FieldChange
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction, Spec, check_variables, desired_function
from mlspec.aws.github_release import github_repository, has_github_provider
from mlspec.parts.terraform.existing import to_adopt
from mlspec.parts.terraform.import_blocks import PROVIDER
from mlspec.parts.terraform.modules import FOLDER, FOUNDATION
from mlspec.sections.ci import Ci
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.spec.types import SecretRef
from mlspec.terraform.module_provider import ModuleProvider, module_actions
from mlspec.terraform.terraform_program import Terraform, Value

_UNKNOWN_DIGEST: Final = "sha256:" + "0" * 64
"""Of an image that is not pushed yet, in a plan."""
_BUCKET: Final = "aws_s3_bucket"
"""How the types of a bucket and its settings begin."""
_PROVIDER: Final = "aws_iam_openid_connect_provider.github[0]"


@dataclass(frozen=True)
class TerraformModule:
    """One module of a spec. `root` is the project's folder, `folder` that of the module's files."""

    name: str
    spec: Spec
    target: AwsTarget
    root: Path
    folder: Path
    digest: str = ""
    """Of the image that the function is created with, "" where none is pushed yet."""

    @contextmanager
    def planned(self, operation: str = "apply") -> Iterator[tuple[list[Action], ModuleProvider]]:
        """The actions of the module, and who executes them.

        The saved plan may hold secrets and is removed at the end.
        """
        desired = desired_function(self.target, self.spec, self.digest or _UNKNOWN_DIGEST)
        if operation == "apply" and self.name != FOUNDATION:
            check_variables(desired)
        terraform = self._terraform(desired)
        terraform.init()
        state = terraform.addresses()
        adopted = to_adopt(self.spec, desired, self.name, state) if operation == "apply" else {}
        more = {"adopt": adopted, **self._oidc_provider(state, adopted)}
        terraform = replace(terraform, variables={**terraform.variables, **more})
        if operation == "destroy":
            yield from self._destroyed(terraform, state)
            return
        plan = terraform.plan()
        try:
            yield module_actions(self.name, plan), ModuleProvider(terraform)
        finally:
            plan.file.unlink(missing_ok=True)

    def _destroyed(self, terraform: Terraform, state: frozenset[str]) -> Iterator[tuple[list[Action], ModuleProvider]]:
        """The destruction of the module without its bucket, which Terraform protects."""
        resources = {address for address in state if not address.startswith("data.")}
        others = sorted(address for address in resources if not address.startswith(_BUCKET))
        if resources and not others:
            yield [], ModuleProvider(terraform)
            return
        plan = terraform.plan(destroy=True, targets=others if len(others) < len(resources) else ())
        try:
            yield module_actions(self.name, plan, "destroy"), ModuleProvider(terraform)
        finally:
            plan.file.unlink(missing_ok=True)

    def forgotten(self) -> tuple[list[Action], ModuleProvider]:
        """What takes the module's resources out of the state, and who does it; no action where it has none."""
        desired = desired_function(self.target, self.spec, self.digest or _UNKNOWN_DIGEST)
        terraform = self._terraform(desired)
        terraform.init()
        changes = tuple(FieldChange("-", address) for address in sorted(terraform.addresses()))
        actions = [Action("terraform-module", self.name, "forget", changes)] if changes else []
        return actions, ModuleProvider(terraform)

    def _terraform(self, desired: DesiredFunction) -> Terraform:
        remote = self.spec.need(Deploy).terraform.backend == "s3"
        return Terraform(
            module=self.folder,
            work=self.root / ".mlspec" / FOLDER / self.name,
            variables=self._variables(desired),
            environ=self.target.environ,
            backend_file=self.root / FOLDER / "backend.hcl" if remote else None,
        )

    def _variables(self, desired: DesiredFunction) -> dict[str, Value]:
        address: dict[str, Value] = {"project_address": self.target.owner.source}
        if self.name == FOUNDATION:
            return address | self._github()
        options = desired.spec.options.environment
        secrets: dict[str, Value] = {
            f"secret_{name}": os.environ.get(value.env, "")
            for name, value in options.items()
            if isinstance(value, SecretRef)
        }
        zipped = self.spec.need(Package).zip is not None
        archive = str((self.root / "artifacts" / "function.zip").resolve())
        code: dict[str, Value] = {"archive": archive} if zipped else {"image_uri": desired.image}
        return {**address, **secrets, **code}

    def _github(self) -> dict[str, Value]:
        ci = self.spec.get(Ci)
        if ci is None or ci.github.repository:
            return {}
        return {"github_repository": github_repository(self.target, "")}

    def _oidc_provider(self, state: frozenset[str], adopted: Mapping[str, str]) -> dict[str, Value]:
        """Whether the foundation creates GitHub's OIDC provider, or uses the one that the account has."""
        if self.name != FOUNDATION or self.spec.get(Ci) is None:
            return {}
        own = _PROVIDER in state or PROVIDER in adopted
        return {"create_oidc_provider": own or not has_github_provider(self.target)}
