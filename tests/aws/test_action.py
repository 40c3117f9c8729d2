"""Actions as data: what a person reads, the stable JSON shape, and the order of execution."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.aws.action import Action, FieldChange, differences, execute, same, shown
from mlspec.aws.function import FunctionProvider
from mlspec.aws.log_group import LogGroupProvider
from mlspec.aws.role import RoleProvider
from tests.aws.functions import OFFLINE, function

UPDATE = Action(
    "function", "cola", "set-settings", (FieldChange("~", "MemorySize", 512, 1024), FieldChange("+", "variable A"))
)


def test_one_line_for_each_difference() -> None:
    assert list(UPDATE.lines()) == [
        "~ lambda function cola MemorySize: 512 -> 1024",
        "+ lambda function cola variable A",
    ]
    held = Action("alias", "live", "roll-out", (FieldChange("~"),), held="rolled back manually")
    assert list(held.lines()) == ["! lambda alias live: rolled back manually"]
    breaking = Action("signature", "cola", "none", (FieldChange("~"),), breaking="the input `a` is gone")
    assert list(breaking.lines()) == ["~ signature of cola: breaking, the input `a` is gone"]
    assert list(Action("local-endpoint", "", "start", (FieldChange("+"),)).lines()) == ["+ endpoint on this machine"]


def test_the_json_shape_of_a_plan() -> None:
    first, second = UPDATE.rows()
    assert first == {"sign": "~", "resource": "lambda function cola", "setting": "MemorySize", "old": 512, "new": 1024,
                     "breaking": "", "held": ""}  # fmt: skip
    assert (second["sign"], second["setting"], second["new"]) == ("+", "variable A", None)


def test_executed_in_order_and_reported_before() -> None:
    log: list[str] = []

    class Recorder:
        def apply(self, action: Action) -> None:
            log.append(f"{action.operation} {action.name}")

    more = Action("role", "cola", "tag", (FieldChange("~", "owner", "a", "b"),))
    assert execute([UPDATE, more], {"function": Recorder(), "role": Recorder()}, log.append) == 2
    assert log == [*UPDATE.lines(), "set-settings cola", *more.lines(), "tag cola"]


def test_every_action_of_a_new_function_is_plain_json_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "hunter2")
    deployed = function(OFFLINE, tmp_path, "{environment: {TOKEN: {env: SERVICE_TOKEN}}, url: true}")
    spec = deployed.spec
    role, group = spec.role(), spec.log_group()
    actions = [
        *RoleProvider(OFFLINE).diff(role, None),
        *LogGroupProvider(OFFLINE).diff(group, None),
        *FunctionProvider(deployed).diff(deployed.function(), None),
    ]
    text = json.dumps([[a.kind, a.name, a.operation, dict(a.arguments), list(a.rows())] for a in actions])
    assert [action.operation for action in actions] == ["create"] * 3
    assert "hunter2" not in text
    assert "hunter2" not in repr(actions)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"a": 1, "b": []}, {"a": 1}, True),
        (None, {}, True),
        ("", None, True),
        ({"a": {"b": None}}, {}, True),
        (0, None, False),
        (False, None, False),
        ([1, 2], [2, 1], False),
    ],
)
def test_empty_values_are_as_absent_ones(one: object, other: object, equal: bool) -> None:
    assert same(one, other) == equal  # type: ignore[arg-type]


def test_only_desired_fields_are_compared() -> None:
    assert differences({"a": 1}, {"a": 1, "b": 2}) == ()
    assert differences({"a": 1}, {"b": 2}) == (FieldChange("~", "a", None, 1),)


def test_a_long_value_is_shortened() -> None:
    assert len(shown("x" * 500)) < 100
    assert shown({"a": ["x", None]}) == "{a: [x, none]}"
