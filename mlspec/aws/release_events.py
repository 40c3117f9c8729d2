"""The history of a function: events in a log group of the same account, so that all who may deploy read the same.

Each is one JSON line, never changed: a version is published, receives a share of the traffic, is promoted or rolled
back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange, create, unexpected
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of
from mlspec.aws.resources import history_group

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


@dataclass(frozen=True)
class ReleaseHistory:
    """The history of one function: reads it, creates its log stream and writes events. The log group is a resource of
    its own."""

    target: AwsTarget
    function: str
    now: Callable[[], float] = time.time

    @property
    def _where(self) -> dict[str, str]:
        return {"logGroupName": history_group(self.function), "logStreamName": STREAM}

    def diff(self, current: Sequence[ReleaseEvent] | None) -> list[Action]:
        """What creates the log stream; `current` is None where it does not exist."""
        if current is not None:
            return []
        return [create("release-history", history_group(self.function), f"log stream {STREAM}", {**self._where})]

    def apply(self, action: Action) -> None:
        """Execute an action on the history."""
        client = self.target.client("logs")
        match action.operation:
            case "create":
                client.create_log_stream(**action.arguments)
            case "record":
                client.put_log_events(**self._where, logEvents=[dict(action.arguments)])
            case _:
                raise unexpected(action)

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
    ) -> None:
        """Write an event of a kind that the plan announced with `record_action`."""
        event = ReleaseEvent(
            kind, version, self.now(), before, percent, why, numbers or {}, release or {}, signature or {}
        )
        text = json.dumps(event.as_json(), ensure_ascii=False)
        line: dict[str, JsonValue] = {"timestamp": int(event.time * 1000), "message": text}
        self.apply(replace(record_action(self.function, (kind,)), arguments=line))

    def read(self) -> list[ReleaseEvent]:
        """All events, oldest first; none before the first one."""
        return self.find() or []

    def find(self) -> list[ReleaseEvent] | None:
        """All events, oldest first; None where the log stream does not exist. Lines of others are skipped."""
        from botocore.exceptions import ClientError

        client, events = self.target.client("logs"), list[ReleaseEvent]()
        token: dict[str, str] = {}
        while True:
            try:
                page = client.get_log_events(**self._where, startFromHead=True, **token)
            except ClientError as error:
                if code_of(error) == "ResourceNotFoundException":
                    return None
                raise
            events += [event for line in page["events"] if (event := ReleaseEvent.parse(line["message"])) is not None]
            if not page["events"] or token.get("nextToken") == page["nextForwardToken"]:
                return events
            token = {"nextToken": page["nextForwardToken"]}


def record_action(function: str, kinds: Sequence[Kind]) -> Action:
    """The action that writes events of these kinds. Their content is measured while the plan is executed."""
    change = FieldChange("+", "events", new=", ".join(dict.fromkeys(kinds)))
    return Action("release-history", history_group(function), "record", (change,))


def rolled_back_by_hand(events: Sequence[ReleaseEvent], version: str) -> ReleaseEvent | None:
    """The last manual rollback of that version; None where there was none, or the version was redeployed since."""
    last = next((e for e in reversed(events) if version in (e.version, e.before) and e.kind != "returned"), None)
    return last if last is not None and last.kind == "rollback" and last.before == version else None
