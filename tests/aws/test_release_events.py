"""The history in an emulated CloudWatch Logs."""

from __future__ import annotations

import time
from itertools import count

import pytest

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import DEPLOY, aws_errors
from mlspec.aws.release_events import ReleaseHistory
from mlspec.errors import StageError


def create(history: ReleaseHistory) -> None:
    """The log group, which is a resource of its own, and the log stream in it."""
    history.target.client("logs").create_log_group(logGroupName="/mlspec/cola")
    (action,) = history.diff(None)
    assert list(action.lines()) == ["+ release history /mlspec/cola: log stream releases"]
    history.apply(action)


def test_nothing_is_created_on_the_side(target: AwsTarget) -> None:
    with pytest.raises(StageError, match="the release history is missing") as refused, aws_errors(DEPLOY):
        ReleaseHistory(target, "cola").add("published", "1")
    assert refused.value.help == "mlspec apply creates it"
    assert target.client("logs").describe_log_groups()["logGroups"] == []


def test_all_readers_see_records_in_the_order_of_writing(target: AwsTarget) -> None:
    clock = count(int(time.time()) - 100)  # CloudWatch takes nothing that is older than two weeks
    mine = ReleaseHistory(target, "cola", lambda: float(next(clock)))
    assert (mine.find(), mine.read()) == (None, [])
    create(mine)
    assert mine.find() == []
    assert mine.diff(mine.find()) == []
    mine.add("published", "3", release={"commit": "abc", "metrics": {"mcc": 0.4}})
    mine.add("started", "3", before="2", percent=10.0)
    mine.add("returned", "3", before="2", percent=10.0, why="error_rate is 0.2", numbers={"calls": 100})
    result = ReleaseHistory(target, "cola").read()
    assert [(e.kind, e.version, e.before, e.percent) for e in result] == [
        ("published", "3", None, None), ("started", "3", "2", 10.0), ("returned", "3", "2", 10.0),
    ]  # fmt: skip
    assert result[0].release["metrics"] == {"mcc": 0.4}
    assert result[2].numbers == {"calls": 100}


def test_foreign_log_lines_are_skipped(target: AwsTarget) -> None:
    history = ReleaseHistory(target, "cola")
    create(history)
    history.add("published", "1")
    lines = [
        {"timestamp": int(time.time() * 1000) + i, "message": text}
        for i, text in enumerate(["hello", "[1]", '{"a": 1}'])
    ]
    target.client("logs").put_log_events(logGroupName="/mlspec/cola", logStreamName="releases", logEvents=lines)
    assert [event.version for event in history.read()] == ["1"]
