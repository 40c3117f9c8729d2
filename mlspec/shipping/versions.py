"""The versions of a function and the state of each, from Lambda, the alias and the history."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from mlspec.aws import alias
from mlspec.aws.alias import Alias
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.function_spec import FunctionSpec
from mlspec.aws.published_version import LATEST, PublishedVersion, VersionProvider
from mlspec.aws.release_events import ReleaseEvent, ReleaseHistory
from mlspec.records.bundle_provenance import bundle_version

State = Literal["live", "canary", "previous", "rolled-back", "older", "unreleased"]
"""`canary`: it receives a share of the traffic; `unreleased`: it never received any."""


@dataclass(frozen=True, slots=True)
class VersionState:
    """One published version."""

    version: str
    published: float
    """Seconds since 1970."""
    state: State
    percent: float
    """Its share of the traffic."""
    tag: str
    """The tag of its image: commit, bundle and content."""
    release: Mapping[str, JsonValue] = field(default_factory=dict)
    events: Sequence[ReleaseEvent] = ()
    """Its own, and the manual rollbacks from it to another version."""

    @property
    def model(self) -> str:
        """The version that its server reports, in predictions and `/metrics`; empty where it is not known."""
        return bundle_version(str(self.release.get("bundle") or ""))


@dataclass(frozen=True, slots=True)
class VersionList:
    """All versions, newest first, and the alias."""

    releases: tuple[VersionState, ...]
    live: Alias | None

    def find(self, name: str) -> VersionState | None:
        """The version of that number; else the newest one that serves the model version of that name."""
        same = (r for r in self.releases if name and r.model == name)
        return next((r for r in self.releases if r.version == name), None) or next(same, None)

    @property
    def previous(self) -> VersionState | None:
        """The version that was live before, and was not rolled back."""
        return next((r for r in self.releases if r.state == "previous"), None)


def version_list(target: AwsTarget, function: FunctionSpec) -> VersionList:
    """The versions of a function; none where it does not exist. Raises botocore's errors."""
    published = VersionProvider(target).read(function.name)
    published.pop(LATEST, None)
    live = alias.read(target, function.name, function.options.alias) if published else None
    events = ReleaseHistory(target, function.name).read() if published else []
    history = LiveHistory.of(events)
    before = _before(history, live, published)
    states = [
        _released(number, published[number], live, events, history.rolled_back, before)
        for number in sorted(published, key=int, reverse=True)
    ]
    return VersionList(tuple(states), live)


@dataclass(frozen=True, slots=True)
class LiveHistory:
    """What the events say of all versions: which were live, oldest first, and which were rolled back since."""

    order: tuple[str, ...]
    rolled_back: frozenset[str]

    @classmethod
    def of(cls, events: Sequence[ReleaseEvent]) -> LiveHistory:
        """The history of the events, oldest first.

        A manual rollback to an older version is a judgement about the newer one; one to a newer version is none.
        """
        order: list[str] = []
        rolled_back: set[str] = set()
        for event in events:
            if event.kind == "returned":
                rolled_back.add(event.version)
            elif event.kind in ("promoted", "rollback"):
                order.append(event.version)
                rolled_back.discard(event.version)
                if event.kind == "rollback" and event.before and int(event.before) > int(event.version):
                    rolled_back.add(event.before)
        return cls(tuple(order), frozenset(rolled_back))

    def before(self, serving: Container[str | None], published: Container[str]) -> str | None:
        """The newest version that was live before those that serve now, and may be live again; None without one."""
        usable = (v for v in reversed(self.order) if v not in serving and v not in self.rolled_back and v in published)
        return next(usable, None)


def _before(history: LiveHistory, live: Alias | None, published: Mapping[str, PublishedVersion]) -> str | None:
    """The version that was live before. Where the history does not say, the next lower number."""
    if live is None:
        return None
    lower = [n for n in published if int(n) < int(live.version) and n not in history.rolled_back]
    return history.before((live.version, live.other), published) or max(lower, key=int, default=None)


def _released(
    number: str,
    version: PublishedVersion,
    live: Alias | None,
    events: Sequence[ReleaseEvent],
    rolled_back: frozenset[str],
    before: str | None,
) -> VersionState:
    own = tuple(event for event in events if event.version == number)
    percent = _percent(number, live)
    release = next((event.release for event in reversed(own) if event.kind == "published"), {})
    published = datetime.fromisoformat(version.modified).timestamp() if version.modified else 0.0
    decided = any(event.kind in ("promoted", "returned", "rollback") for event in own)
    state = _state(number, percent, number in rolled_back, decided, before)
    shown = tuple(event for event in events if event in own or (event.kind == "rollback" and event.before == number))
    return VersionState(number, published, state, percent, version.function.description, release, shown)


def _percent(number: str, live: Alias | None) -> float:
    if live is None:
        return 0.0
    if number == live.other:
        return live.weight * 100
    return (1 - live.weight) * 100 if number == live.version else 0.0


def _state(number: str, percent: float, rolled_back: bool, decided: bool, before: str | None) -> State:
    if percent == 100:
        return "live"
    if percent > 0:
        return "canary"
    if rolled_back:
        return "rolled-back"
    if number == before:
        return "previous"
    return "older" if decided else "unreleased"
