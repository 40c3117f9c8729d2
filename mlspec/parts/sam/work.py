"""The stages `sam-foundation` and `sam-service`: deploy a stack by the SAM command line."""

from __future__ import annotations

import sys
from typing import Final

from mlspec.aws.action import Execution
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import spec_location
from mlspec.aws.error_messages import aws_errors
from mlspec.cloudformation.existing_stack import read_stack
from mlspec.cloudformation.sam_program import RunProgram, run_program
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.cloudformation.stacks import FOUNDATION, SERVICE
from mlspec.parts.sam.infrastructure_stack import InfrastructureStack
from mlspec.parts.sam.sam_templates import FOLDER
from mlspec.records.terraform_outputs import FoundationOutputs, ServiceOutputs
from mlspec.sections.delivery_tool import SAM
from mlspec.sections.package import Package
from mlspec.shipping import image_push
from mlspec.shipping.target_choice import current

_RECORDS: Final[dict[str, type[FoundationOutputs | ServiceOutputs]]] = {
    FOUNDATION: FoundationOutputs,
    SERVICE: ServiceOutputs,
}


def foundation(job: Job) -> None:
    """Deploy the stack with what must exist before an image can be pushed."""
    deploy(job, FOUNDATION, current(job.context, spec_location(job).region))


def service(job: Job) -> None:
    """Deploy the stack with the function, which releases the image that was pushed."""
    deploy(job, SERVICE, current(job.context, spec_location(job).region))


def deploy(job: Job, part: str, target: AwsTarget, run: RunProgram = run_program) -> None:
    """Deploy a stack to that target."""
    if not target.facts.delivery_tools:
        _say("a rehearsal creates the resources without SAM")
        return
    template = job.root / FOLDER / f"{part}.yaml"
    if not template.is_file():
        raise StageError(f"{FOLDER}/{part}.yaml not found", help="mlspec build")
    with aws_errors(SAM.role_file):
        digest = image_push.pushed_digest(job, job.inputs, target)
        if part == SERVICE and not digest and job.need(Package).zip is None:
            raise StageError("no image to release: nothing was pushed yet", help="mlspec apply --until push")
        stack = InfrastructureStack(part, job, target, job.root, template.read_text(encoding="utf-8"), digest, run)
        actions, provider = stack.actions()
        if part == SERVICE:
            stack.check_release(image_push.signature(job.inputs), allow_breaking=job.context.allow_breaking)
        stack.write()
        Execution({"stack": provider}, _say).run(actions)
        deployed = read_stack(target, stack.name)
        outputs = deployed.outputs if deployed else {}
        _RECORDS[part](outputs=outputs).write(job.outputs)
        if not actions:
            _say(f"cloudformation stack {stack.name} is up to date")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
