"""All callers to another version, in one switch, on a person's word."""

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


def chosen(found: VersionList, wanted: str | None) -> str:
    """The version to go back to. Raises StageError where there is none, or it is live already."""
    if found.live is None:
        raise StageError("nothing is deployed, so there is nothing to go back from", help="mlspec apply deploys it")
    if wanted is None:
        if found.live.other is not None:  # a rollout stands in the middle: back is where it came from
            return found.live.version
        if found.previous is None:
            message = f"version {found.live.version} is live, and none was before it"
            raise StageError(message, help="mlspec releases shows what there is")
        return found.previous.version
    if found.find(wanted) is None:
        known = ", ".join(release.version for release in found.releases[:10])
        raise StageError(f"there is no version {wanted}", help=f"there are {known}")
    if found.live.version == wanted and found.live.other is None:
        raise StageError(f"version {wanted} is live already")
    return wanted


def rolled_back_by_hand(events: Sequence[ReleaseEvent], version: str) -> ReleaseEvent | None:
    """The rollback by which a person took that version back; None where it has come again since, or never went."""
    last = next((e for e in reversed(events) if version in (e.version, e.before) and e.kind != "returned"), None)
    return last if last is not None and last.kind == "rollback" and last.before == version else None


def not_redeployed(back: ReleaseEvent, version: str) -> str:
    """What to say of a version that a person took back, where an apply comes upon it."""
    return (
        f"version {version} stays back, it was rolled back by hand to {back.version}; "
        f"a change makes a new version, `mlspec rollback {version}` brings this one again"
    )


def take_back(target: AwsTarget, function: FunctionSpec, found: VersionList, version: str, why: str) -> Alias:
    """Switch, and write it down. Raises StageError for another project's function."""
    live = found.live
    assert live is not None, "a version was chosen, so there is an alias"
    existing = read_function(target, function.name) or Function(function.name, "Image")
    check_owner(target, function.name, function.arn, function.info.name, existing)
    text = f"mlspec: version {version} by hand"
    moved = alias.write(target, function.name, Alias(live.name, version, description=text, revision=live.revision))
    left = live.other if live.other not in (None, version) else live.version
    events = ReleaseHistory(target, function.name, tags(function.info.name, target.source))
    events.add("rollback", version, before=left, percent=100.0, why=why)
    return moved
