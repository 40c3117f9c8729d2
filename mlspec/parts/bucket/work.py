"""The stage `bucket`: creates the bucket of the spec, or brings it to its settings."""

from __future__ import annotations

import sys

from mlspec.aws.action import Execution
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import BUCKET, aws_errors
from mlspec.aws.ownership import unidentified
from mlspec.job import Job
from mlspec.shipping import bucket_changes
from mlspec.shipping.target_choice import current
from mlspec.spec.project import ProjectInfo
from mlspec.stage_result import warn


def main(job: Job) -> None:
    """Converge the bucket."""
    ship(job, current(job.context, bucket_changes.region(job)))


def ship(job: Job, target: AwsTarget) -> None:
    """The same, in that target."""
    with aws_errors(BUCKET):
        if warning := unidentified(target, job.need(ProjectInfo).name):
            warn(warning)
        provider, desired = bucket_changes.desired(job, target)
        actions = provider.diff(desired, provider.read(desired.name))
        Execution({"bucket": provider}, _say).run(actions)
        if not actions:
            _say(f"s3 bucket {desired.name} is up to date")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
