"""Values in messages: two that differ look different, and none of them steers a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.diagnostics import render
from mlspec.errors import SpecError
from mlspec.spec.names import quoted
from tests.parts.targets import BASE, build


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\x1bb", r'"a\x1bb"'),
        ("a\u202eb", r'"a\u202eb"'),
        ("a\nb", r'"a\nb"'),
        ("a\tb", r'"a\tb"'),
        ("a\u00a0b", r'"a\xa0b"'),
        ("a\u200bb", r'"a\u200bb"'),
        ("a\ud800b", r'"a\ud800b"'),
        ("a\U000e0001b", r'"a\U000e0001b"'),
        ("a b", '"a b"'),
        ("größe ✓", '"größe ✓"'),
    ],
)
def test_what_cannot_be_printed_is_an_escape(value: str, expected: str) -> None:
    assert quoted(value) == expected


@pytest.mark.parametrize(("char", "escape"), [("\u202e", r"\u202e"), ("\u200b", r"\u200b"), ("\u00a0", r"\xa0")])
def test_values_and_keys_of_a_spec_that_differ_look_different(char: str, escape: str, tmp_path: Path) -> None:
    text = f'train: {{precision: "a{char}b"}}\nexperiments: {{"x{char}y": {{train.max_epochs: 1}}}}\n"ke{char}y": 1\n'
    with pytest.raises(SpecError) as caught:
        build(tmp_path, text, BASE)
    messages = [finding.message for finding in caught.value.diagnostics]
    assert any(f'"a{escape}b"' in message for message in messages), messages
    assert any(f"`ke{escape}y`" in message for message in messages), messages
    assert all(char not in render(finding) for finding in caught.value.diagnostics)
