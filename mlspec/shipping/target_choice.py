"""The target of a stage's context as a control plane to call."""

from __future__ import annotations

from dataclasses import replace

from mlspec.aws.aws_target import IMPATIENT, AwsTarget
from mlspec.aws.resource_owner import ResourceOwner
from mlspec.records.git_commit import first_commit_address, folder_address
from mlspec.stage_context import StageContext


def current(context: StageContext, region: str) -> AwsTarget:
    """The target that stages ship to; of AWS, that region. Raises StageError where no rehearsal runs."""
    if context.rehearses:
        from mlspec.shipping.rehearsal.rehearsal import here

        return here(context).target(region)
    first = first_commit_address(context.root)
    source = folder_address(context.root) or first
    return AwsTarget("aws", region, owner=ResourceOwner(source, first, context.adopt))


def observed(context: StageContext, region: str) -> AwsTarget:
    """The same target for a plan: its clients do not wait long."""
    return replace(current(context, region), patience=IMPATIENT)
