"""Actions as data: what a person reads, the stable JSON shape, and the order of execution."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.aws.action import Action, Execution, FieldChange, differences, same, shown
from mlspec.aws.function import FunctionProvider
from mlspec.aws.known_after_apply import KnownAfterApply, Outputs, join
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
                     "breaking": "", "held": "", "condition": ""}  # fmt: skip
    assert (second["sign"], second["setting"], second["new"]) == ("+", "variable A", None)


def test_executed_in_order_and_reported_before() -> None:
    log: list[str] = []

    class Recorder:
        def apply(self, action: Action) -> None:
            log.append(f"{action.operation} {action.name}")

    more = Action("role", "cola", "tag", (FieldChange("~", "owner", "a", "b"),))
    Execution({"function": Recorder(), "role": Recorder()}, log.append).run([UPDATE, more])
    assert log == [*UPDATE.lines(), "set-settings cola", *more.lines(), "tag cola"]


def test_outputs_replace_what_was_known_after_apply() -> None:
    log: list[Action] = []

    class Recorder:
        def apply(self, action: Action) -> Outputs:
            log.append(action)
            return {"version": "7"}

    version = KnownAfterApply("{version}")
    publish = Action("version", "cola", "publish", (FieldChange("+", new=version),))
    tag = Action("image-tag", join("keep-", version), "create", (FieldChange("+"),), {"weights": {version: 0.1}})
    assert [*publish.lines(), *tag.lines()] == [
        "+ lambda version of cola: (known after apply)", "+ ecr tag keep-(known after apply)",
    ]  # fmt: skip
    execution = Execution({"version": Recorder(), "image-tag": Recorder()}, str)
    execution.run([publish, tag])
    assert (log[1].name, log[1].arguments) == ("keep-7", {"weights": {"7": 0.1}})
    with pytest.raises(AssertionError, match="image-tag create comes before the action that it depends on"):
        Execution({"image-tag": Recorder()}, str).run([tag])


def test_a_condition_is_at_the_end_of_its_line() -> None:
    back = Action("alias", "live", "move", (FieldChange("~", "version", "2", "1"),), condition="error_rate > 0.01")
    assert list(back.lines()) == ["~ lambda alias live version: 2 -> 1, if error_rate > 0.01"]


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
