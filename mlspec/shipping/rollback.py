"""Moves all traffic to another version at once, at a person's request."""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.aws.action import Action
from mlspec.aws.alias import Alias, AliasProvider
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.function import check_owner, read_function
from mlspec.aws.function_resource import Function
from mlspec.aws.release_events import record_action
from mlspec.errors import StageError
from mlspec.shipping.deployment import Deployment
from mlspec.shipping.versions import VersionList


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """A manual rollback from the alias `live` to `version`: its moves, and the events that record them."""

    live: Alias
    version: str
    moves: tuple[Action, ...]
    events: tuple[Action, ...]


def chosen(versions: VersionList, requested: str | None) -> str:
    """The version to roll back to. Raises StageError where it does not exist or is live already."""
    if versions.live is None:
        raise StageError("nothing is deployed yet, so nothing can be rolled back", help="deploy it: mlspec apply")
    if requested is None:
        if versions.live.other is not None:  # a rollout is in progress: back to where it started
            return versions.live.version
        if versions.previous is None:
            message = f"version {versions.live.version} is live, and no version was live before it"
            raise StageError(message, help="list the versions: mlspec releases")
        return versions.previous.version
    if versions.find(requested) is None:
        known = ", ".join(release.version for release in versions.releases[:10])
        raise StageError(f"version not found: {requested}", help=f"available: {known}")
    if versions.live.version == requested and versions.live.other is None:
        raise StageError(f"version {requested} is live already", help="list the versions: mlspec releases")
    return requested


def make_rollback_plan(desired: DesiredFunction, versions: VersionList, version: str) -> RollbackPlan:
    """The plan to move all traffic to that version. Raises StageError for another project's function."""
    target, function, live = desired.target, desired.spec, versions.live
    assert live is not None, "a version was chosen, so there is an alias"
    existing = read_function(target, function.name) or Function(function.name, "Image")
    check_owner(target, function.name, function.arn, function.info.name, existing)
    moved = Alias(live.name, version, description=f"mlspec: version {version}, manual rollback")
    record = record_action(function.name, ("rollback",))
    move = AliasProvider(target, function.name).diff(moved, live)
    return RollbackPlan(live, version, (*Deployment(desired).history_actions(), *move), (record,))


def roll_back(desired: DesiredFunction, plan: RollbackPlan, why: str) -> None:
    """Move all traffic and record it. The plan was shown: it is not reported again."""
    deployment, live = Deployment(desired), plan.live
    execution = deployment.execution(lambda _: None)
    execution.outputs["revision"] = live.revision
    execution.run(plan.moves)
    left = live.other if live.other not in (None, plan.version) else live.version
    deployment.history.add("rollback", plan.version, before=left, percent=100.0, why=why)
