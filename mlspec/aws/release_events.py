"""The history of a function: events in a log group of the same account, so that all who may deploy read the same.

Each is one JSON line, never changed: a version is published, receives a share of the traffic, is promoted or rolled
back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import JsonValue

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of

STREAM: Final = "releases"
Kind = Literal["published", "started", "step", "promoted", "returned", "rollback"]
"""`returned`: rolled back by a rollout; `rollback`: by a person."""


@dataclass(frozen=True, slots=True)
class ReleaseEvent:
    """An event of `version`. `time` is in seconds since 1970."""

    kind: Kind
    version: str
    time: float
    before: str | None = None
    """The version that was live."""
    percent: float | None = None
    """Its share of the traffic from then on, or the share that it was judged at."""
    why: str = ""
    numbers: Mapping[str, JsonValue] = field(default_factory=dict)
    """What it was judged by."""
    release: Mapping[str, JsonValue] = field(default_factory=dict)
    """Of a published version: everything that led to it."""
    signature: Mapping[str, JsonValue] = field(default_factory=dict)
    """Of a published version that is a zip: its inputs and outputs."""

    def as_json(self) -> dict[str, JsonValue]:
        """What is known of it, as it is written."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in values.items() if value not in (None, "", {})}

    @classmethod
    def parse(cls, line: str) -> ReleaseEvent | None:
        """The event in a line; None for a line that mlspec did not write."""
        try:
            values = json.loads(line)
            return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})
        except (ValueError, TypeError):
            return None


def history_group(function: str) -> str:
    """The log group with a function's history."""
    return f"/mlspec/{function}"


@dataclass(frozen=True)
class ReleaseHistory:
    """The history of one function."""

    target: AwsTarget
    function: str
    tags: Mapping[str, str] = field(default_factory=dict)
    now: Callable[[], float] = time.time

    @property
    def _where(self) -> dict[str, str]:
        return {"logGroupName": history_group(self.function), "logStreamName": STREAM}

    def add(
        self,
        kind: Kind,
        version: str,
        *,
        before: str | None = None,
        percent: float | None = None,
        why: str = "",
        numbers: Mapping[str, JsonValue] | None = None,
        release: Mapping[str, JsonValue] | None = None,
        signature: Mapping[str, JsonValue] | None = None,
    ) -> ReleaseEvent:
        """Write an event."""
        event = ReleaseEvent(
            kind, version, self.now(), before, percent, why, numbers or {}, release or {}, signature or {}
        )
        self._write({"timestamp": int(event.time * 1000), "message": json.dumps(event.as_json(), ensure_ascii=False)})
        return event

    def _write(self, line: Mapping[str, int | str]) -> None:
        from botocore.exceptions import ClientError

        client = self.target.client("logs")
        try:
            client.put_log_events(**self._where, logEvents=[line])
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            group = self._where["logGroupName"]
            _unless_exists(lambda: client.create_log_group(logGroupName=group, tags=dict(self.tags)))
            _unless_exists(lambda: client.create_log_stream(**self._where))
            client.put_log_events(**self._where, logEvents=[line])

    def read(self) -> list[ReleaseEvent]:
        """All events, oldest first; none before the first one. Lines that mlspec did not write are skipped."""
        from botocore.exceptions import ClientError

        client, events = self.target.client("logs"), list[ReleaseEvent]()
        token: dict[str, str] = {}
        while True:
            try:
                page = client.get_log_events(**self._where, startFromHead=True, **token)
            except ClientError as error:
                if code_of(error) == "ResourceNotFoundException":
                    return []
                raise
            events += [event for line in page["events"] if (event := ReleaseEvent.parse(line["message"])) is not None]
            if not page["events"] or token.get("nextToken") == page["nextForwardToken"]:
                return events
            token = {"nextToken": page["nextForwardToken"]}


def _unless_exists(create: Callable[[], object]) -> None:
    from botocore.exceptions import ClientError

    try:
        create()
    except ClientError as error:
        if code_of(error) != "ResourceAlreadyExistsException":
            raise
