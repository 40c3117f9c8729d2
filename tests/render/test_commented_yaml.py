"""YAML with comments: the values are read back as they were, and every comment is on its key."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mlspec.render.commented_yaml import WIDTH, commented
from tests.parts.hydra.test_part import HOSTILE, TEXT, VALUES


@given(values=st.dictionaries(TEXT, VALUES, max_size=4), about=TEXT)
@example(values={text: [text, {text: text}] for text in HOSTILE if text != "<<"}, about="a\nb: c")
@example(values={"yes": "No", "a.b": {"nan": "inf", "c": ["on", "1e5"]}}, about="")
def test_values_are_read_back_as_they_were(values: dict[str, Any], about: str) -> None:
    text = commented(values, {(key,): about for key in values})
    assert yaml.safe_load(text) == values
    if not any("${" in repr(value) for value in values.values()) and "???" not in text:
        assert OmegaConf.to_container(OmegaConf.create(text)) == values


def test_a_comment_is_behind_its_value_or_above_it() -> None:
    values = {"rate": 0.5, "inner": {"names": ["a", "b"], "text": "x" * 90}, "last": {}}
    comments = {("rate",): "How fast", ("inner",): "What is inside", ("inner", "text"): "word " * 40, ("last",): "Last"}
    lines = commented(values, comments).splitlines()
    assert lines[:4] == ["rate: 0.5  # How fast", "# What is inside", "inner:", "  names: [a, b]"]
    assert lines[4].startswith("  # word word")
    assert lines[-2:] == ["  text: " + "x" * 90, "last: {}  # Last"]
    assert all(len(line) <= WIDTH for line in lines)


def test_a_list_that_is_too_long_for_a_line_has_a_line_for_each_item() -> None:
    values = {"names": [f"name-{number}" for number in range(20)]}
    assert commented(values, {}).splitlines()[:2] == ["names:", "- name-0"]
