"""A plan of Terraform as differences: each change is one, whatever of it can be shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlspec.aws.action import FieldChange
from mlspec.terraform.planned_change import differences, messages, planned


def line(action: str, address: str = "a.b") -> str:
    return json.dumps({"type": "planned_change", "change": {"resource": {"addr": address}, "action": action}})


def update(**change: Any) -> tuple[FieldChange, ...]:
    document = {"resource_changes": [{"address": "a.b", "change": change}]}
    return differences(planned(messages(line("update"))), json.dumps(document))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("create", [FieldChange("+", "a.b")]),
        ("delete", [FieldChange("-", "a.b")]),
        ("replace", [FieldChange("~", "a.b", new="deleted and created again")]),
        ("import", [FieldChange("~", "a.b", new="taken over")]),
        ("noop", []),
        ("read", []),
    ],
)
def test_each_action_is_a_difference(action: str, expected: list[FieldChange]) -> None:
    assert list(differences(planned(messages(f"not JSON\n{line(action)}\n")), "")) == expected


def test_an_update_is_its_settings() -> None:
    before, after = {"memory": 512, "same": 1, "tags_all": {}}, {"memory": 1024, "same": 1, "tags_all": {"a": "b"}}
    assert update(before=before, after=after) == (FieldChange("~", "a.b memory", 512, 1024),)


def test_an_update_without_a_setting_to_show_is_applied_too() -> None:
    assert update(before={"version": "1"}, after={}) == (FieldChange("~", "a.b"),)


def test_no_value_of_a_sensitive_setting_is_shown() -> None:
    environment = {"variables": {"TOKEN": "secret"}}
    marks = {"environment": [{"variables": {"TOKEN": True}}]}
    changes = update(before={"environment": []}, after={"environment": [environment]}, after_sensitive=marks)
    assert changes == (FieldChange("~", "a.b environment", new="(sensitive)"),)


def test_changes_are_in_the_order_of_their_addresses() -> None:
    text = "\n".join(line("create", name) for name in ("b", "c", "a"))
    assert [change.field for change in differences(planned(messages(text)), "")] == ["a", "b", "c"]
