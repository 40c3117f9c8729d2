"""What `push` and `deploy` would change, for a plan. Reads only."""

from __future__ import annotations

from pathlib import Path

from mlspec.aws.account import located, repository_name
from mlspec.aws.action import Action, FieldChange
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction, Spec, desired_function, spec_location
from mlspec.aws.ecr import ecr_location
from mlspec.aws.error_messages import DEPLOY, PUSH, aws_errors
from mlspec.records.bundle_signature import BundleSignature
from mlspec.sections.deploy import Deploy, Rollout
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.shipping import breaking_changes, image_push, release_file
from mlspec.shipping.deployment import Deployment
from mlspec.shipping.target_choice import endpoint_actions, observed
from mlspec.stage_context import StageContext


def push(spec: Spec, artifacts: Path, context: StageContext, target: AwsTarget | None = None) -> list[Action]:
    """What the stage `push` would change. Raises StageError where the account cannot be read."""
    ecr = spec.need(Registry).ecr
    with aws_errors(PUSH):
        target = target or observed(context, ecr.region)
        location = located(target, ecr_location(ecr))
        built = image_push.built(artifacts)
        name = repository_name(target, ecr.repository)
        return [
            *image_push.repository_actions(target, location, spec),
            *image_push.push_actions(target, name, built),
            *_release_file(artifacts, target, built),
        ]


def deploy(spec: Spec, artifacts: Path, context: StageContext, target: AwsTarget | None = None) -> list[Action]:
    """What the stage `deploy` would change. Raises StageError where the account cannot be read."""
    with aws_errors(DEPLOY):
        target = target or observed(context, spec_location(spec).region)
        desired = _desired(spec, artifacts, target)
        plan = Deployment(desired, spec.need(Deploy).rollout or Rollout()).plan()
        executed = any(not action.held for action in plan.actions)
        record = [_completed_file(artifacts, target, zipped=spec.need(Package).zip is not None)] if executed else []
        if plan.roll_out.held:
            return [*plan.actions, *record, *endpoint_actions(context)]
        signature = BundleSignature.find(artifacts) or image_push.signature(artifacts)
        breaking = breaking_changes.notice(desired, plan.live, signature)
        shown = [Action("signature", desired.name, "none", (FieldChange("~"),), breaking=text) for text in breaking]
        return [*plan.actions, *record, *shown, *endpoint_actions(context)]


def _desired(spec: Spec, artifacts: Path, target: AwsTarget) -> DesiredFunction:
    if spec.need(Package).zip is not None:
        zipped = image_push.zipped(artifacts, spec, target)
        return desired_function(target, spec, "", zipped[0] if zipped else None)
    built = image_push.built(artifacts)
    repository = repository_name(target, spec.need(Registry).ecr.repository)
    return desired_function(target, spec, image_push.digest_of(target, repository, built.tag) if built else "")


def _release_file(artifacts: Path, target: AwsTarget, built: image_push.Built | None) -> list[Action]:
    """Another machine may have pushed the image: then only the record of it is missing here."""
    release = release_file.read(artifacts, target.kind)
    if built is None or (release and release.image and release.image.tag == built.tag):
        return []
    return [_record(artifacts, target, FieldChange("+", new=built.tag))]


def _completed_file(artifacts: Path, target: AwsTarget, *, zipped: bool) -> Action:
    """What a deployment adds to the record; of a zip, nothing was recorded before."""
    values = "release, function, rollout" if zipped else "function, rollout"
    return _record(artifacts, target, FieldChange("~", new=values))


def _record(artifacts: Path, target: AwsTarget, change: FieldChange) -> Action:
    file = release_file.file(artifacts, target.kind)
    return Action("release-file", f"{artifacts.name}/{file.name}", "write", (change,))
