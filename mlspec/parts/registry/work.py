"""The stage `push`: gives the repository its desired state, and pushes the image to it."""

from __future__ import annotations

import sys

from mlspec.aws.account import located, repository_name
from mlspec.aws.action import Execution
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.ecr import ecr_location
from mlspec.aws.error_messages import PUSH, aws_errors
from mlspec.aws.ownership import unidentified
from mlspec.aws.repository import RepositoryProvider
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.sections.registry import Registry
from mlspec.shipping import bundle_signing, image_push, release_file
from mlspec.shipping.target_choice import current
from mlspec.spec.project import ProjectInfo
from mlspec.stage_result import warn


def main(job: Job) -> None:
    """Converge the repository, push the image unless it is there, write `artifacts/release.json`.

    Raises StageError if the bundle in the image is not the one that was signed.
    """
    bundle_signing.verify_packaged(job)
    ship(job, current(job.context, job.need(Registry).ecr.region))


def ship(job: Job, target: AwsTarget) -> None:
    """The same, to that target."""
    built = image_push.built(job.inputs)
    if built is None:
        raise StageError("no image to push: none was built yet", help="mlspec apply --until image")
    ecr = job.need(Registry).ecr
    with aws_errors(PUSH):
        location = located(target, ecr_location(ecr))
        if warning := unidentified(target, job.need(ProjectInfo).name):
            warn(warning)
        name = repository_name(target, ecr.repository)
        images = image_push.ImagePush(target, location, name, built, job.scratch, _say)
        execution = Execution({"repository": RepositoryProvider(target), "image": images}, _say)
        execution.run(image_push.repository_actions(target, location, job))
        execution.run(image_push.push_actions(target, name, built))
        image = images.pushed()
    release_file.pushed(job.outputs, target.kind, built.release, image)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
