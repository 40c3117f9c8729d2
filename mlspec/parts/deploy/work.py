"""The stage `deploy`: updates the function, publishes a version of it, and rolls that out."""

from __future__ import annotations

import contextlib
import sys

from mlspec.aws.alias import Alias
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import ZipArchive, check_variables, desired_function, spec_location
from mlspec.aws.error_messages import DEPLOY, aws_errors
from mlspec.aws.ownership import unidentified
from mlspec.aws.release_events import ReleaseHistory
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.deploy import sample_requests
from mlspec.parts.package.prediction_difference import TOLERANCE, difference
from mlspec.records.bundle_provenance import BundleProvenance
from mlspec.records.bundle_signature import BundleSignature
from mlspec.records.lineage import config_digest
from mlspec.records.packaged import find_packaged
from mlspec.records.record_file import json_object
from mlspec.records.release import DeployedFunction
from mlspec.sections.deploy import Deploy, Rollout
from mlspec.sections.package import Package
from mlspec.shipping import breaking_changes, bundle_signing, image_push, release_file
from mlspec.shipping.deployment import Deployment
from mlspec.shipping.start_rollout import Measure, Published, Tests, roll_out
from mlspec.shipping.target_choice import current, instruments, keep_zip, settled
from mlspec.stage_result import warn


def main(job: Job) -> None:
    """Update the function, publish a version, roll it out, complete `artifacts/release.json`."""
    ship(job, current(job.context, spec_location(job).region))


def ship(job: Job, target: AwsTarget, measure: Measure = instruments) -> None:
    """The same, to that target."""
    bundle_signing.verify_packaged(job)
    tag, digest, archive = _code(job, target)
    tests = _tests(job)
    with aws_errors(DEPLOY):
        desired = desired_function(target, job, digest, archive)
        deployment = Deployment(desired, job.need(Deploy).rollout or Rollout())
        if warning := unidentified(target, desired.project):
            warn(warning)
        deployment.check_infrastructure()
        keep_zip(desired, job.context)
        packed = None if archive is None else image_push.signature(job.inputs)
        if not job.context.allow_breaking:
            breaking_changes.refuse(desired, deployment.live(), packed)
        check_variables(desired)
        plan, execution = deployment.plan(tag), deployment.execution(_say)
        execution.run([*plan.function, *plan.publish])
        number = execution.value(plan.version)
        if not plan.recorded:
            _note(deployment.history, number, digest or (archive.sha256 if archive else ""), packed, job)
        if plan.live is not None:
            execution.run(plan.alias)
        execution.run(plan.tags)
        published = Published(job, target, desired.spec, number, tests, lambda: sample_requests.rows(job.inputs))
        try:
            roll_out(published, plan.roll_out, execution, measure)
        finally:
            example = next(iter(sample_requests.rows(job.inputs) or tests.rows), None)
            address = settled(desired, job.context, example)
            _record_rollout(deployment.history, number, job)
        if plan.live is None:
            execution.run(plan.alias)
        now = deployment.live()
        assert now is not None, "a rollout that returns has created or moved the alias"
        if plan.live is not None and plan.live.version != now.version:
            execution.run(plan.expired)
        release_file.complete(job.outputs, target.kind, _function(deployment, now, address))
    _say(f"{desired.name}:{now.name} is version {now.version}")


def _code(job: Job, target: AwsTarget) -> tuple[str, str, ZipArchive | None]:
    """What the version is called, the digest of its image, and its zip where it has one."""
    if job.need(Package).zip is not None:
        zipped = image_push.zipped(job.inputs, job, target)
        if zipped is None:
            raise StageError("no zip to deploy: artifacts/image.json names none", help="mlspec apply --until image")
        archive, provenance = zipped
        release_file.pushed(job.outputs, target.kind, provenance, None)
        return (provenance.commit or "")[:12], "", archive
    release = release_file.read(job.inputs, target.kind)
    if release is None or release.image is None:
        raise StageError("no release to deploy: nothing was pushed yet", help="mlspec apply --until push")
    return release.image.tag, release.image.digest, None


def _note(history: ReleaseHistory, number: str, code: str, packed: BundleSignature | None, job: Job) -> None:
    """Record what led to the version. After a kill between publishing and this, the next deployment does."""
    release = release_file.read(job.inputs, history.target.kind)
    provenance = release.release if release else BundleProvenance()
    # The bundle was exported before it was known how it would be deployed: here the whole spec is known.
    deploy = json_object({"deploy": job.config.get("deploy")})
    config = {**provenance.config, **deploy} if provenance.config else None
    whole = {**provenance.to_json(), "image": code, "spec": config_digest(job.config), "config": config}
    history.add("published", number, release=whole, signature=packed.to_json() if packed else {})


def _record_rollout(history: ReleaseHistory, number: str, job: Job) -> None:
    """Record the rollout for the report. No decision depends on it: it may be missing."""
    from botocore.exceptions import BotoCoreError, ClientError

    with contextlib.suppress(BotoCoreError, ClientError, StageError):
        events = [event for event in history.read() if event.version == number]
        release_file.rolled_out(job.outputs, history.target.kind, events)


def _tests(job: Job) -> Tests:
    packaged = find_packaged(job.inputs)
    if packaged is None or not packaged.proof.examples:
        message = "artifacts/image.json has no example predictions to verify against"
        raise StageError(message, help="mlspec apply --force image")
    examples = packaged.proof.examples
    return Tests([each.row for each in examples], [each.answer for each in examples], difference, TOLERANCE)


def _function(deployment: Deployment, now: Alias, address: str | None) -> DeployedFunction:
    url = address or deployment.url()
    return DeployedFunction(name=deployment.desired.name, version=now.version, alias=now.name, url=url)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
