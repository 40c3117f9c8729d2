"""What `push` and `deploy` would change, for a plan: everything is looked at, nothing is touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlspec.aws import account, alias, converge
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.change import RemoteChange
from mlspec.aws.desired import Spec, desired_function, place
from mlspec.aws.error_messages import DEPLOY, PUSH, told
from mlspec.records.bundle_signature import BundleSignature
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.shipping import breaking_changes, deployment, image_push, release_file
from mlspec.shipping.target_choice import current
from mlspec.stage_context import StageContext


def push(spec: Spec, artifacts: Path, context: StageContext, target: AwsTarget | None = None) -> list[RemoteChange]:
    """What the stage `push` would change. Raises StageError where that cannot be seen."""
    ecr = spec.need(Registry).ecr
    with told(PUSH):
        target = target or _passing(context, ecr.region)
        full = account.completed(target, ecr)
        steps = image_push.repository_steps(target, full, spec)
        built = image_push.built(artifacts)
        return [
            *converge.changes(steps),
            *image_push.observed(target, full, built),
            *_recorded(artifacts, target, built),
        ]


def deploy(spec: Spec, artifacts: Path, context: StageContext, target: AwsTarget | None = None) -> list[RemoteChange]:
    """What the stage `deploy` would change. Raises StageError where that cannot be seen."""
    ecr, zipped = place(spec), spec.need(Package).zip is not None
    with told(DEPLOY):
        target = target or _passing(context, ecr.region)
        if zipped:
            found = image_push.zipped(artifacts, spec, target.kind)
            asked = desired_function(target, spec, "", found[0] if found else None)
        else:
            built = image_push.built(artifacts)
            repository = account.completed(target, ecr).repository
            asked = desired_function(target, spec, image_push.digest_of(target, repository, built.tag) if built else "")
        observed = deployment.observed(asked)
        if any(change.held for change in observed):
            return [*observed, *_endpoint(context)]
        live = alias.read(target, asked.function.name, asked.function.options.alias)
        signature = BundleSignature.find(artifacts) or image_push.signature(artifacts)
        noticed = breaking_changes.notice(asked, live, signature)
        broken = [RemoteChange("~", f"signature of {asked.function.name}", breaking=sentence) for sentence in noticed]
        return [*observed, *broken, *_endpoint(context)]


def _endpoint(context: StageContext) -> list[RemoteChange]:
    """Of a rehearsal: what callers call may have been stopped."""
    if not context.rehearses:
        return []
    from mlspec.shipping.rehearsal.rehearsal import here

    return [] if here(context).address else [RemoteChange("+", "endpoint on this machine")]


def _recorded(artifacts: Path, target: AwsTarget, built: image_push.Built | None) -> list[RemoteChange]:
    """Another machine may have pushed it: then only the record of it is missing here."""
    release = release_file.read(artifacts, target.kind)
    if built is None or (release and release.image and release.image.tag == built.tag):
        return []
    return [RemoteChange("+", "record artifacts/release.json", new=built.tag)]


def _passing(context: StageContext, region: str) -> AwsTarget:
    return replace(current(context, region), hasty=True)
