"""The stages `foundation` and `service`: plan a Terraform module, and apply exactly that plan."""

from __future__ import annotations

import sys
from typing import Final

from mlspec.aws.action import Execution
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import spec_location
from mlspec.aws.error_messages import DEPLOY, aws_errors
from mlspec.job import Job
from mlspec.parts.terraform.infrastructure import TerraformModule
from mlspec.parts.terraform.modules import FOLDER, FOUNDATION, SERVICE
from mlspec.records.terraform_outputs import FoundationOutputs, ServiceOutputs
from mlspec.shipping.image_push import pushed_digest
from mlspec.shipping.target_choice import current

_RECORDS: Final[dict[str, type[FoundationOutputs | ServiceOutputs]]] = {
    FOUNDATION: FoundationOutputs,
    SERVICE: ServiceOutputs,
}


def foundation(job: Job) -> None:
    """Apply the module with what must exist before an image can be pushed."""
    apply(job, FOUNDATION, current(job.context, spec_location(job).region))


def service(job: Job) -> None:
    """Apply the module with the function and all that belongs to it."""
    apply(job, SERVICE, current(job.context, spec_location(job).region))


def apply(job: Job, name: str, target: AwsTarget) -> None:
    """Apply a module to that target."""
    if not target.facts.delivery_tools:
        _say("a rehearsal creates the resources without Terraform")
        return
    with aws_errors(DEPLOY):
        digest = pushed_digest(job, job.inputs, target)
        module = TerraformModule(name, job, target, job.root, job.root / FOLDER / name, digest)
        with module.planned() as (actions, provider):
            Execution({"terraform-module": provider}, _say).run(actions)
            _RECORDS[name](outputs=provider.terraform.outputs()).write(job.outputs)
            if not actions:
                _say(f"terraform module {name} is up to date")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
