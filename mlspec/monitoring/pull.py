"""Predictions that a Lambda function or a container printed, into the store: from its log group, or from any lines.

Every prediction is stored once, however often it is pulled: its id decides. A pull from a log group continues where the
last one stopped, a little earlier, since CloudWatch may deliver events late.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import Final

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import aws_errors, code_of
from mlspec.errors import ConflictError, StageError
from mlspec.job import whole, write_json
from mlspec.monitoring.log_table import LineIdentity, identity
from mlspec.monitoring.prediction_store import PredictionStore
from mlspec.monitoring.segments import host_name

FILTER: Final = '{ $.mlspec = "prediction" }'
"""Selects the lines of the prediction log among all that a function prints."""
OVERLAP: Final = timedelta(minutes=15)
"""A pull reads so much of the last one again."""
FIRST: Final = timedelta(days=14)
"""How far back the first pull of a log group reads."""
POLICY: Final = "lambda/deploy-policy.json"
_LINES: Final = 20_000
"""Lines that are stored at a time."""
_numbers: Final = count()


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one pull brought."""

    lines: int = 0
    added: int = 0
    duplicate: int = 0
    """Predictions that the store has."""
    other: int = 0
    """Lines that are not predictions: other output, or damaged."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A line of a log group."""

    milliseconds: int
    line: bytes


def pull(
    store: PredictionStore, target: AwsTarget, log_group: str, now: datetime, *, since: datetime | None = None
) -> Pulled:
    """Store the predictions of a log group from the saved position on, or from `since`.

    The position is saved after every batch, so that a pull that is stopped continues there. Raises StageError if the
    log group cannot be read, ConflictError while another pull runs.
    """
    position = store.folders.state / f"pull{log_group.replace('/', '-')}.json"
    begin = since or _position(position.read_text(encoding="utf-8") if position.is_file() else "") or now - FIRST
    result = Pulled()
    with store.folders.pulling() as alone:
        _require(alone)
        with aws_errors(POLICY):
            events = _events(target, log_group, begin, now)
            while batch := list(islice(events, _LINES)):
                result = _sum(result, _store(store, [event.line for event in batch]))
                newest = max(event.milliseconds for event in batch)
                write_json(position, {"milliseconds": newest, "log_group": log_group})
    return result


def pull_lines(store: PredictionStore, lines: Iterable[bytes]) -> Pulled:
    """Store the predictions among `lines`, for example of a file or of standard input."""
    result, rest = Pulled(), iter(lines)
    with store.folders.pulling() as alone:
        _require(alone)
        while batch := list(islice(rest, _LINES)):
            result = _sum(result, _store(store, batch))
    return result


def _require(alone: bool) -> None:
    if not alone:
        raise ConflictError("another `mlspec monitor pull` is running", paths=(), help="wait until it has finished")


def _events(target: AwsTarget, log_group: str, begin: datetime, now: datetime) -> Iterator[LogEvent]:
    from botocore.exceptions import ClientError

    pages = (
        target.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=log_group,
            filterPattern=FILTER,
            startTime=int(begin.timestamp() * 1000),
            endTime=int(now.timestamp() * 1000) + 1,
        )
    )
    try:
        for page in pages:
            for event in page["events"]:
                yield LogEvent(int(event["timestamp"]), str(event["message"]).encode("utf-8", "replace"))
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        raise StageError(
            f"log group not found: {log_group}", help="the function has not run yet; deploy it: mlspec apply"
        ) from None


def _store(store: PredictionStore, lines: list[bytes]) -> Pulled:
    """Write the new predictions as segments and seal them."""
    whole_lines = [line.strip() for line in lines]
    identified = [(key, line) for line in whole_lines if (key := identity(line)) is not None]
    known = _known(store, [key for key, _ in identified])
    fresh: dict[str, dict[str, bytes]] = {}
    for key, line in identified:
        if key.id not in known:
            fresh.setdefault(key.time.date().isoformat(), {}).setdefault(key.id, line)
    for day, texts in fresh.items():
        _write(store, day, texts.values())
    if fresh:
        store.seal()
    added = sum(len(texts) for texts in fresh.values())
    return Pulled(len(lines), added, len(identified) - added, len(lines) - len(identified))


def _known(store: PredictionStore, keys: list[LineIdentity]) -> set[str]:
    """Which of the ids the store has."""
    if not keys:
        return set()
    times = [key.time for key in keys]
    sql = (
        "SELECT DISTINCT replace(CAST(id AS VARCHAR), '-', '') AS id FROM predictions "
        "WHERE time >= ? AND time <= ? AND id IN (SELECT CAST(unnest(?) AS UUID))"
    )
    return set(store.query(sql, [min(times), max(times), [key.id for key in keys]])["id"].to_pylist())


def _write(store: PredictionStore, day: str, lines: Iterable[bytes]) -> None:
    """A closed segment with `lines`."""
    name = f"{host_name()}-{os.getpid()}-{time.time_ns():x}-{next(_numbers)}.jsonl"
    with whole(store.folders.log / day / name) as partial, partial.open("wb") as file:
        file.writelines(line + b"\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())


def _position(text: str) -> datetime | None:
    """Where the last pull stopped, minus OVERLAP; None for a damaged file."""
    try:
        return datetime.fromtimestamp(json.loads(text)["milliseconds"] / 1000, UTC) - OVERLAP
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def _sum(one: Pulled, other: Pulled) -> Pulled:
    return Pulled(
        one.lines + other.lines, one.added + other.added, one.duplicate + other.duplicate, one.other + other.other
    )
