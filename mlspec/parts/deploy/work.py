"""The stage `deploy`: the function as the spec wants it, a published version of it, and the callers sent there."""

from __future__ import annotations

import contextlib
import sys

from mlspec.aws import alias
from mlspec.aws.alias import Alias
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.converge import carry_out, nameless
from mlspec.aws.desired import DesiredFunction, ZipArchive, desired_function, place
from mlspec.aws.error_messages import DEPLOY, told
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
from mlspec.sections.package import Package
from mlspec.shipping import breaking_changes, deployment, image_push, release_file
from mlspec.shipping.start_rollout import Published, Tests, history, roll_out
from mlspec.shipping.target_choice import current
from mlspec.stage_result import warn


def main(job: Job) -> None:
    """Read what is there, change what differs, publish, roll out; complete `artifacts/release.json`."""
    ship(job, current(job.context, place(job).region))


def ship(job: Job, target: AwsTarget) -> None:
    """The same, to that target."""
    tag, digest, archive = _code(job, target)
    tests = _tests(job)
    with told(DEPLOY):
        asked = desired_function(target, job, digest, archive)
        if said := nameless(target, asked.project):
            warn(said)
        _keep(asked, job)
        packed = None if asked.archive is None else image_push.signature(job.inputs)
        if not job.context.allow_breaking:
            live_alias = alias.read(target, asked.function.name, asked.function.options.alias)
            breaking_changes.refuse(asked, live_alias, packed)
        number, live = deployment.converge(asked, tag, _say)
        before = live.version if live else None
        _note(asked, number, digest or (archive.sha256 if archive else ""), packed, job)
        deployment.keep(asked, number, before, say=_say, release=False)
        try:
            now = roll_out(
                Published(job, asked.target, asked.function, number, tests, lambda: sample_requests.rows(job.inputs))
            )
        finally:
            address = _settled(asked, job)
            _told(asked, number, job)
        if live is None:
            carry_out(deployment.above(asked), _say)
        if before is not None and before != now.version:
            deployment.keep(asked, now.version, before, say=_say, release=True)
        release_file.complete(job.outputs, target.kind, _function(asked, now, address))
    _say(f"{asked.function.name}:{now.name} is version {now.version}")


def _code(job: Job, target: AwsTarget) -> tuple[str, str, ZipArchive | None]:
    """What the version is called, the digest of its image, and its zip where it has one."""
    if job.need(Package).zip is not None:
        found = image_push.zipped(job.inputs, job, target.kind)
        if found is None:
            raise StageError("no zip to deploy: artifacts/image.json names none", help="mlspec apply --until image")
        archive, provenance = found
        release_file.pushed(job.outputs, target.kind, provenance, None)
        return (provenance.commit or "")[:12], "", archive
    release = release_file.read(job.inputs, target.kind)
    if release is None or release.image is None:
        raise StageError("no release to deploy: nothing was pushed yet", help="mlspec apply --until push")
    return release.image.tag, release.image.digest, None


def _keep(asked: DesiredFunction, job: Job) -> None:
    """Of a rehearsal, the zip: nobody else there keeps it for the version that runs it."""
    if asked.target.kind == "local" and asked.archive is not None:
        from mlspec.shipping.rehearsal.rehearsal import here

        here(job.context).keep(asked.archive.path, asked.archive.sha256)


def _note(asked: DesiredFunction, number: str, code: str, packed: BundleSignature | None, job: Job) -> None:
    """Write down what led to the version, once: a kill between publishing and this is made up for the next time."""
    events = history(asked.target, asked.function)
    if not any(event.kind == "published" and event.version == number for event in events.read()):
        release = release_file.read(job.inputs, asked.target.kind)
        provenance = release.release if release else BundleProvenance()
        # The bundle was exported before it was known how it would be deployed: here the whole spec is known.
        deploy = json_object({"deploy": job.config.get("deploy")})
        config = {**provenance.config, **deploy} if provenance.config else None
        whole = {**provenance.to_json(), "image": code, "spec": config_digest(job.config), "config": config}
        events.add("published", number, release=whole, signature=packed.to_json() if packed else {})


def _told(asked: DesiredFunction, number: str, job: Job) -> None:
    """Keep what became of the version for the report, which decides nothing: it may be missing."""
    from botocore.exceptions import BotoCoreError, ClientError

    with contextlib.suppress(BotoCoreError, ClientError, StageError):
        events = history(asked.target, asked.function).read()
        release_file.rolled_out(job.outputs, asked.target.kind, [event for event in events if event.version == number])


def _tests(job: Job) -> Tests:
    packaged = find_packaged(job.inputs)
    if packaged is None or not packaged.proof.examples:
        message = "artifacts/image.json has no example predictions to verify against"
        raise StageError(message, help="mlspec apply --force image")
    examples = packaged.proof.examples
    return Tests([each.row for each in examples], [each.answer for each in examples], difference, TOLERANCE)


def _settled(asked: DesiredFunction, job: Job) -> str | None:
    """Of a rehearsal, the containers that are needed now and no others; gives its address."""
    if asked.target.kind == "aws":
        return None
    from mlspec.shipping.rehearsal.rehearsed_traffic import settle

    example = next(iter(sample_requests.rows(job.inputs) or _tests(job).rows), None)
    return settle(job.context, asked.target.region, asked.function.name, asked.function.options.alias, example)


def _function(asked: DesiredFunction, now: Alias, address: str | None) -> DeployedFunction:
    url = address or deployment.url(asked)
    return DeployedFunction(name=asked.function.name, version=now.version, alias=now.name, url=url)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
