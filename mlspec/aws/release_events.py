"""What happened to a function, as events in a log group of the same account: everybody who may deploy reads the same.

A version is published, gets a share of the calls, is promoted or returned; each is one JSON line, never changed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of

STREAM: Final = "releases"
Kind = Literal["published", "started", "step", "promoted", "returned", "rollback"]


@dataclass(frozen=True, slots=True)
class ReleaseEvent:
    """One thing that happened to `version`. `time` is in seconds since 1970."""

    kind: Kind
    version: str
    time: float
    before: str | None = None
    """The version that was live."""
    percent: float | None = None
    """Its share of the calls from then on, or the share it was judged at."""
    why: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """What it was judged by."""
    release: Mapping[str, Any] = field(default_factory=dict)
    """Of a published version: everything that led to it."""
    signature: Mapping[str, Any] = field(default_factory=dict)
    """Of a published version made of a zip: what it takes and gives."""

    def as_json(self) -> dict[str, Any]:
        """What is known of it."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in found.items() if value not in (None, "", {})}


def history_group(function: str) -> str:
    """The log group that keeps a function's history."""
    return f"/mlspec/{function}"


@dataclass(frozen=True)
class ReleaseHistory:
    """The history of one function."""

    target: AwsTarget
    function: str
    tags: Mapping[str, str] = field(default_factory=dict)
    now: Callable[[], float] = time.time

    def add(self, kind: Kind, version: str, **known: Any) -> ReleaseEvent:
        """Write an event down."""
        from botocore.exceptions import ClientError

        event = ReleaseEvent(kind, version, self.now(), **known)
        line = {"timestamp": int(event.time * 1000), "message": json.dumps(event.as_json(), ensure_ascii=False)}
        client, where = (
            self.target.client("logs"),
            {"logGroupName": history_group(self.function), "logStreamName": STREAM},
        )
        try:
            client.put_log_events(**where, logEvents=[line])
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            self._make()
            client.put_log_events(**where, logEvents=[line])
        return event

    def _make(self) -> None:
        client, name = self.target.client("logs"), history_group(self.function)
        for make in (
            lambda: client.create_log_group(logGroupName=name, tags=dict(self.tags)),
            lambda: client.create_log_stream(logGroupName=name, logStreamName=STREAM),
        ):
            _unless_there(make)

    def read(self) -> list[ReleaseEvent]:
        """All events, oldest first; none where nothing was ever written. Lines of somebody else's are passed over."""
        from botocore.exceptions import ClientError

        client = self.target.client("logs")
        found: list[ReleaseEvent] = []
        token: dict[str, str] = {}
        where = {"logGroupName": history_group(self.function), "logStreamName": STREAM, "startFromHead": True}
        while True:
            try:
                page = client.get_log_events(**where, **token)
            except ClientError as error:
                if code_of(error) == "ResourceNotFoundException":
                    return []
                raise
            found += [event for line in page["events"] if (event := _event(line["message"])) is not None]
            if not page["events"] or token.get("nextToken") == page["nextForwardToken"]:
                return found
            token = {"nextToken": page["nextForwardToken"]}


def _unless_there(make: Callable[[], object]) -> None:
    from botocore.exceptions import ClientError

    try:
        make()
    except ClientError as error:
        if code_of(error) != "ResourceAlreadyExistsException":
            raise


def _event(line: str) -> ReleaseEvent | None:
    try:
        found = json.loads(line)
        return ReleaseEvent(**{name: found[name] for name in ReleaseEvent.__dataclass_fields__ if name in found})
    except (ValueError, TypeError):
        return None
