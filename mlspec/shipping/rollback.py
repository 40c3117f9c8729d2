"""Moves all traffic to another version at once, at a person's request."""

from __future__ import annotations

from collections.abc import Sequence

from mlspec.aws import alias
from mlspec.aws.alias import Alias
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.function import check_owner, read_function
from mlspec.aws.function_resource import Function
from mlspec.aws.function_spec import FunctionSpec
from mlspec.aws.release_events import ReleaseEvent, ReleaseHistory
from mlspec.aws.resource_tags import tags
from mlspec.errors import StageError
from mlspec.shipping.versions import VersionList


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


def rolled_back_by_hand(events: Sequence[ReleaseEvent], version: str) -> ReleaseEvent | None:
    """The last manual rollback of that version; None where there was none, or the version was redeployed since."""
    last = next((e for e in reversed(events) if version in (e.version, e.before) and e.kind != "returned"), None)
    return last if last is not None and last.kind == "rollback" and last.before == version else None


def not_redeployed(event: ReleaseEvent, version: str) -> str:
    """Why an apply does not redeploy a version that was rolled back manually."""
    return (
        f"version {version} was rolled back manually to {event.version}, and is not redeployed; to redeploy it: "
        f"mlspec rollback {version}"
    )


def take_back(target: AwsTarget, function: FunctionSpec, versions: VersionList, version: str, why: str) -> Alias:
    """Move all traffic and record it. Raises StageError for another project's function."""
    live = versions.live
    assert live is not None, "a version was chosen, so there is an alias"
    existing = read_function(target, function.name) or Function(function.name, "Image")
    check_owner(target, function.name, function.arn, function.info.name, existing)
    text = f"mlspec: version {version}, manual rollback"
    moved = alias.write(target, function.name, Alias(live.name, version, description=text, revision=live.revision))
    left = live.other if live.other not in (None, version) else live.version
    events = ReleaseHistory(target, function.name, tags(function.info.name, target.source))
    events.add("rollback", version, before=left, percent=100.0, why=why)
    return moved
