from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlspec.aws.aws_target import AwsTarget
from mlspec.errors import ConflictError, StageError
from mlspec.monitoring.prediction_store import PredictionStore
from mlspec.monitoring.pull import Pulled, pull, pull_lines
from tests.monitoring.log_lines import SIGNATURE, line, text

GROUP = "/aws/lambda/shop"


@pytest.fixture
def now() -> datetime:
    """CloudWatch takes no events that are older than two weeks."""
    return datetime.now(UTC)


@pytest.fixture
def target(moto: str) -> AwsTarget:
    urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset", method="POST"), timeout=10).close()
    target = AwsTarget("aws", "eu-west-1", moto, "", ("testing", "testing"))
    target.client("logs").create_log_group(logGroupName=GROUP)
    return target


def put(target: AwsTarget, stream: str, moments: list[tuple[datetime, str]]) -> None:
    logs = target.client("logs")
    logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    events = [{"timestamp": int(at.timestamp() * 1000), "message": message} for at, message in moments]
    logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def printed(number: int, at: datetime) -> tuple[datetime, str]:
    return at, json.dumps({"mlspec": "prediction"} | line(number, at))


def store(folder: Path) -> PredictionStore:
    return PredictionStore(folder, SIGNATURE)


def ids(folder: Path) -> list[str]:
    return store(folder).query("SELECT request_id FROM predictions ORDER BY id")["request_id"].to_pylist()


def test_a_log_group_is_pulled_once(target: AwsTarget, tmp_path: Path, now: datetime) -> None:
    earlier = now - timedelta(minutes=10)
    put(
        target,
        "one",
        [(earlier, "START RequestId: 1"), printed(1, earlier), printed(2, earlier + timedelta(seconds=2))],
    )
    put(target, "two", [printed(3, earlier + timedelta(seconds=1)), (now, "{")])
    first = pull(store(tmp_path), target, GROUP, now)
    assert (first.added, first.duplicate, ids(tmp_path)) == (3, 0, ["r1", "r2", "r3"])
    again = pull(store(tmp_path), target, GROUP, now)
    assert (again.added, again.duplicate) == (0, 3)
    put(target, "three", [printed(4, earlier - timedelta(seconds=30)), printed(5, now)])
    late = pull(store(tmp_path), target, GROUP, now + timedelta(minutes=1))
    assert (late.added, ids(tmp_path)) == (2, ["r1", "r2", "r3", "r4", "r5"])


def test_a_pull_continues_at_its_position(target: AwsTarget, tmp_path: Path, now: datetime) -> None:
    put(target, "one", [printed(n, now - timedelta(minutes=90 - n)) for n in range(60)])
    pull(store(tmp_path), target, GROUP, now)
    (position,) = (tmp_path / "state").glob("pull-*.json")
    assert pull(store(tmp_path), target, GROUP, now).lines < 20
    position.write_text("torn")
    assert pull(store(tmp_path), target, GROUP, now).lines == 60
    assert len(ids(tmp_path)) == 60


def test_a_missing_log_group_is_named(target: AwsTarget, tmp_path: Path, now: datetime) -> None:
    with pytest.raises(StageError, match="log group not found: /aws/lambda/none"):
        pull(store(tmp_path), target, "/aws/lambda/none", now)


def test_lines_of_any_source(tmp_path: Path) -> None:
    content = text([line(1), line(2), line(1)]).encode().splitlines(keepends=True)
    lines = [*content, b"INFO started\n", b"", b'{"id": 1}']
    assert pull_lines(store(tmp_path), lines) == Pulled(lines=6, added=2, duplicate=1, other=3)
    assert pull_lines(store(tmp_path), lines) == Pulled(lines=6, added=0, duplicate=3, other=3)
    assert ids(tmp_path) == ["r1", "r2"]


def test_two_pulls_at_once(tmp_path: Path) -> None:
    def lines() -> Iterator[bytes]:
        with pytest.raises(ConflictError, match="another"):
            pull_lines(store(tmp_path), [])
        yield json.dumps(line(1)).encode()

    assert pull_lines(store(tmp_path), lines()).added == 1
