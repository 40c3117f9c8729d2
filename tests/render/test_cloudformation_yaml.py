"""Values of a CloudFormation template as YAML, read back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.cloudformation.stack_template import StackTemplate
from mlspec.render.cloudformation_yaml import cloudformation_yaml
from tests.render.test_hcl import HOSTILE

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=40)
VALUES = st.recursive(
    st.one_of(TEXT, st.integers(), st.booleans(), st.sampled_from(HOSTILE)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text("abcRef:0-.", min_size=1, max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


def read(text: str) -> object:
    """The properties below `indent` levels of a template."""
    start = "Resources:\n  X:\n    Type: T\n    Properties:\n"
    return StackTemplate.parse(start + text).resources["X"].properties


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.text("abc01", min_size=1, max_size=5), VALUES, min_size=1, max_size=4))
def test_a_value_is_read_back_unchanged(values: dict[str, object]) -> None:
    assert read(cloudformation_yaml(values, 3)) == values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"Ref": "Role"}, "!Ref Role"),
        ({"Fn::GetAtt": ["Role", "Arn"]}, "!GetAtt Role.Arn"),
        ({"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/x"}, "!Sub arn:aws:iam::${AWS::AccountId}:role/x"),
        ({"Fn::Sub": "*: ${A} it's # x"}, "!Sub '*: ${A} it''s # x'"),
        (["a", 1, True], "[a, 1, true]"),
        ("2012-10-17", "'2012-10-17'"),
    ],
)
def test_short_forms(value: object, text: str) -> None:
    assert cloudformation_yaml({"A": value}) == f"A: {text}"
    assert read(cloudformation_yaml({"A": value}, 3)) == {"A": value}


def test_a_document_of_several_lines_is_a_block() -> None:
    assert cloudformation_yaml({"A": '{\n  "b": 1\n}'}) == 'A: |-\n  {\n    "b": 1\n  }'


def test_a_list_is_not_on_one_line_if_a_text_would_break_it() -> None:
    assert cloudformation_yaml({"A": ["0?", "b"]}) == "A:\n  - 0?\n  - b"
    assert read(cloudformation_yaml({"A": ["0?", "b"]}, 3)) == {"A": ["0?", "b"]}
