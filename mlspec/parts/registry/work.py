"""The stage `push`: the repository as the spec wants it, and the image in it."""

from __future__ import annotations

import sys

from mlspec.aws import account
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.converge import carry_out, nameless
from mlspec.aws.error_messages import PUSH, told
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.sections.registry import Registry
from mlspec.shipping import image_push, release_file
from mlspec.shipping.target_choice import current
from mlspec.spec.project import ProjectInfo
from mlspec.stage_result import warn


def main(job: Job) -> None:
    """Converge the repository, push what is not there yet, write `artifacts/release.json`."""
    ship(job, current(job.context, job.need(Registry).ecr.region))


def ship(job: Job, target: AwsTarget) -> None:
    """The same, to that target."""
    built = image_push.built(job.inputs)
    if built is None:
        raise StageError("there is no image to push", help="build it: mlspec apply --until image")
    with told(PUSH):
        ecr = account.completed(target, job.need(Registry).ecr)
        if said := nameless(target, job.need(ProjectInfo).name):
            warn(said)
        carry_out(image_push.repository_steps(target, ecr, job), _say)
        image = image_push.push(target, ecr, built, job.scratch, _say)
    release_file.pushed(job.outputs, target.kind, built.release, image)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
