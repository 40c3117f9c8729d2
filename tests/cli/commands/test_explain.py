"""`mlspec explain` on the command line: the key that is meant, and the list of all codes."""

from __future__ import annotations

import pytest
import yaml

from mlspec.cli.app import main
from mlspec.parts.all_parts import PARTS
from mlspec.spec.json_schema import plain_schema
from mlspec.spec.key_reference import keys


def test_the_last_step_of_a_key_is_enough_where_it_is_the_only_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "max_epochs"]) == 0
    assert capsys.readouterr().out.startswith("train.max_epochs: whole number")


def test_a_name_of_several_keys_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "seed"]) == 2
    assert "`train.seed`" in capsys.readouterr().err


def test_without_a_terminal_each_code_has_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line == "" or line[0].isalnum() for line in lines)
    assert any(line.startswith("train ") for line in lines)


def test_examples_and_defaults_can_be_copied_into_a_spec() -> None:
    """A bound such as `> 0.05` and `off` need quotes: without them YAML reads an error and a boolean."""
    for key in keys(plain_schema(PARTS)):
        for text in filter(None, (key.example, key.default)):
            value = yaml.safe_load(f"key: {text}")["key"]
            assert (value is None) == (text == "null"), key.dotted
            assert not isinstance(value, bool) or text in ("true", "false"), key.dotted
