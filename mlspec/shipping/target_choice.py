"""The target of a stage's context as a control plane to call, and what a deployment does differently in a rehearsal.

Whether the target is a rehearsal is asked here, and for the commands in `cli/local_target.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange
from mlspec.aws.aws_target import IMPATIENT, AwsTarget
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.resource_owner import ResourceOwner
from mlspec.records.git_commit import first_commit_address, folder_address
from mlspec.shipping import image_push
from mlspec.shipping.rollout.traffic_metrics import TrafficMetrics
from mlspec.shipping.start_rollout import Published
from mlspec.source.key_place import key_place
from mlspec.stage_context import StageContext
from mlspec.target_facts import AWS


def current(context: StageContext, region: str) -> AwsTarget:
    """The target that stages ship to; of AWS, that region. Raises StageError where no rehearsal runs."""
    if context.facts.rehearsal:
        from mlspec.shipping.rehearsal.rehearsal import here

        return here(context).target(region)
    first = first_commit_address(context.root)
    source = folder_address(context.root) or first
    return AwsTarget(
        AWS.name, region, owner=ResourceOwner(source, first, context.adopt, partial(key_place, context.root))
    )


def observed(context: StageContext, region: str) -> AwsTarget:
    """The same target for a plan: its clients do not wait long."""
    return replace(current(context, region), patience=IMPATIENT)


def endpoint_actions(context: StageContext) -> list[Action]:
    """Of a rehearsal: the local endpoint may have been stopped."""
    if not context.facts.rehearsal:
        return []
    from mlspec.shipping.rehearsal.rehearsal import here

    return [] if here(context).address else [Action("local-endpoint", "", "start", (FieldChange("+"),))]


def keep_zip(desired: DesiredFunction, context: StageContext) -> None:
    """Of a rehearsal, keep the zip for the version that runs it, as Lambda does."""
    if desired.target.facts.rehearsal and desired.archive is not None:
        from mlspec.shipping.rehearsal.rehearsal import here

        here(context).keep(desired.archive.path, desired.archive.sha256)


def instruments(published: Published) -> TrafficMetrics:
    """The metrics and the invoker of the target."""
    target, function = published.target, published.function
    if target.facts.rehearsal:
        from mlspec.shipping.rehearsal.rehearsed_traffic import rehearsed

        rows = published.audience() or published.tests.rows
        where = (target.region, function.name, function.options.alias)
        return rehearsed(published.job.context, published.version, rows, *where)
    from mlspec.shipping.rollout import cloudwatch

    signature = image_push.signature(published.job.inputs)
    labels = list(signature.labels) if signature else []
    return cloudwatch.instruments(target, function.name, function.options.alias, labels)


def settled(desired: DesiredFunction, context: StageContext, example: Mapping[str, JsonValue] | None) -> str | None:
    """Of a rehearsal, run the containers that are needed now and no others; returns its address."""
    if not desired.target.facts.rehearsal:
        return None
    from mlspec.shipping.rehearsal.rehearsed_traffic import settle

    return settle(context, desired.target.region, desired.name, desired.alias, example)
