from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlspec.runtime.json_text import parse, written
from mlspec.runtime.rows import RefusedError

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(values, st.sampled_from([None, 1]))
def test_what_is_read_is_what_python_reads(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    assert parse(text.encode()) == pytest.approx(json.loads(text)) if isinstance(value, int | float) else True
    assert json.dumps(parse(text.encode())) == json.dumps(json.loads(text)) or _has_large(value)


def _has_large(value: Any) -> bool:
    """Whole numbers beyond 64 bits come as floats from one of the two readers."""
    if isinstance(value, dict):
        return any(map(_has_large, value.values()))
    if isinstance(value, list):
        return any(map(_has_large, value))
    return isinstance(value, int) and abs(value) >= 2**63


@given(values)
def test_what_is_written_reads_back(value: Any) -> None:
    assert json.loads(written(value)) == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    "body",
    [b'{"a": 1, "a": 2}', b'{"a": ":", "b": 1, "b": 2}', b'[{"x": {"a" : 1, "a": 1}}]', b'{"a": 1, "\\u0061": 2}'],
)
def test_a_repeated_key_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedError, match="is duplicated"):
        parse(body)


def test_colons_in_texts_and_keys_are_fine() -> None:
    assert parse(b'{"a:b": "12:30", "c": [":", {"d": "::"}]}') == {"a:b": "12:30", "c": [":", {"d": "::"}]}


@pytest.mark.parametrize("text", ["NaN", "-Infinity", '{"a": Infinity}'])
def test_what_json_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="is not a JSON value"):
        parse(text.encode())
