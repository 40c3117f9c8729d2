"""The stages `serverless-foundation` and `serverless-service`: package a service, and deploy exactly that package."""

from __future__ import annotations

import sys
from typing import Final

from mlspec.aws.action import Execution
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import spec_location
from mlspec.aws.error_messages import aws_errors
from mlspec.cloudformation.sam_program import RunProgram, run_program
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.cloudformation.stacks import FOUNDATION, SERVICE
from mlspec.parts.serverless.service_deployment import ServiceDeployment
from mlspec.parts.serverless.services import FOLDER
from mlspec.records.terraform_outputs import FoundationOutputs, ServiceOutputs
from mlspec.sections.delivery_tool import SERVERLESS
from mlspec.sections.package import Package
from mlspec.shipping import image_push
from mlspec.shipping.target_choice import current

_RECORDS: Final[dict[str, type[FoundationOutputs | ServiceOutputs]]] = {
    FOUNDATION: FoundationOutputs,
    SERVICE: ServiceOutputs,
}


def foundation(job: Job) -> None:
    """Deploy the service with what must exist before an image can be pushed."""
    apply(job, FOUNDATION, current(job.context, spec_location(job).region))


def service(job: Job) -> None:
    """Deploy the service with the function: the new version reaches its clients."""
    apply(job, SERVICE, current(job.context, spec_location(job).region))


def apply(job: Job, name: str, target: AwsTarget, run: RunProgram = run_program) -> None:
    """Deploy a service to that target."""
    if not target.facts.delivery_tools:
        _say("a rehearsal creates the resources without the Serverless Framework")
        return
    with aws_errors(SERVERLESS.role_file):
        digest = image_push.pushed_digest(job, job.inputs, target)
        if name == SERVICE and not digest and job.need(Package).zip is None:
            raise StageError("no image to release: nothing was pushed yet", help="mlspec apply --until push")
        deployment = ServiceDeployment(name, job, target, job.root, job.root / FOLDER / name, digest, run)
        actions, provider = deployment.planned()
        if name == SERVICE:
            deployment.check_release(image_push.signature(job.inputs), allow_breaking=job.context.allow_breaking)
        Execution({"stack": provider}, _say).run(actions)
        _RECORDS[name](outputs=deployment.outputs()).write(job.outputs)
        if not actions:
            _say(f"cloudformation stack {deployment.stack} is up to date")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
