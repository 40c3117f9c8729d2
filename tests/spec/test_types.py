"""Values with a form of their own: a bare number says what was meant, and is answered with what to write."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from mlspec.spec.names import suggest
from mlspec.spec.types import Bound, Duration, Rate, Size, rate_parts


@pytest.mark.parametrize(
    ("shape", "value", "help"),
    [
        (Bound, 0.9, 'add the comparison, in quotes: ">= 0.9" or "<= 0.9"'),
        (Size, 500, "add a unit: 500MB"),
        (Duration, 5, "add a unit: 5s, 5m or 5h"),
        (Bound, "0.9", "for example `>= 0.9`"),
    ],
)
def test_a_number_without_a_unit_gets_a_help(shape: object, value: object, help: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(shape).validate_python(value)
    (fault,) = caught.value.errors()
    assert fault["type"] == "bad-format"
    assert fault["ctx"]["help"] == help


@pytest.mark.parametrize("value", [True, None, ["> 1"], {}])
def test_a_value_that_is_not_a_number_has_the_wrong_type(value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Bound).validate_python(value)
    assert caught.value.errors()[0]["type"] == "string_type"


def test_a_help_line_names_no_more_than_is_read() -> None:
    names = [f"data.checks.a_long_name_of_a_column.{number}" for number in range(50)]
    line = suggest("xyzzy", names, "for example")
    assert len(line) < 350
    assert line.endswith(", ...")
    assert suggest("xyzzy", ["a", "b"]) == "available: `a`, `b`"


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("1 per day", "did you mean `1 per 1d`?"),
        ("3/90d", "did you mean `3 per 90d`?"),
        ("0 per 90d", "for example `1 per 90d`"),
        (2, "add the duration: 2 per 1d"),
    ],
)
def test_a_rate_is_a_number_per_duration(text: object, help: str) -> None:
    assert rate_parts("2 per 90d") == (2, 90 * 86_400)
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Rate).validate_python(text)
    assert caught.value.errors()[0]["ctx"]["help"] == help
