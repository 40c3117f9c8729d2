"""Reading: values and places of YAML 1.2, and every way that a file can be no spec."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlspec.diagnostics import Span
from mlspec.errors import SpecError
from mlspec.source.reader import BREAK, parse, read


def faults(text: str | bytes) -> list[tuple[str, int | None, int | None]]:
    with pytest.raises(SpecError) as caught:
        parse(text.encode() if isinstance(text, str) else text)
    return [(d.code, d.span and d.span.line, d.span and d.span.column) for d in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("3e-5", 3e-05),
        ("on", "on"),
        ("yes", "yes"),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("true", True),
        ("True", True),
        ("~", None),
        ("", None),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2026-11-23", "2026-11-23"),
        ("'12'", "12"),
        ('"a\\tb"', "a\tb"),
        (".5", 0.5),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_scalar_is_what_yaml_1_2_says(text: str, value: object) -> None:
    assert parse(f"key: {text}".encode()).plain() == {"key": value}


def test_every_value_has_its_place() -> None:
    document = parse(b"project:\n  name: cola\n  authors: [Ada, Bob]\n")
    name = document.span(("project", "name"))
    assert (name.line, name.column, name.end) == (2, 9, 13)
    assert document.span(("project", "name"), on="key").column == 3
    assert document.span(("project", "authors", 1)).column == 18
    assert document.span(("project", "missing")).line == 1, "a missing key points at its parent"
    assert document.span(("project", "some-union-tag", "name")).line == 2, "a step that the text lacks is passed over"


def test_merge_keys_may_be_overridden_but_not_repeated() -> None:
    text = b"base: &b {a: 1, b: 2}\nown:\n  <<: *b\n  b: 3\n"
    assert parse(text).plain()["own"] == {"a": 1, "b": 3}
    assert faults("base: &b {a: 1}\nown:\n  <<: *b\n  a: 2\n  a: 3\n") == [("duplicate-key", 5, 3)]


def test_several_faults_come_in_one_pass_in_file_order() -> None:
    assert faults("a: 1\na: 2\nb: {c: 1, c: 2}\n") == [("duplicate-key", 2, 1), ("duplicate-key", 3, 11)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("empty-file", None, None)),
        ("# nothing\n", ("empty-file", None, None)),
        ("- a\n", ("not-a-mapping", 1, 1)),
        ("just text\n", ("not-a-mapping", 1, 1)),
        ("a:\n\tb: 1\n", ("tab-indentation", 2, 1)),
        ("a: {b: 1\n", ("yaml-syntax", 1, 4)),
        ("a: 'b\n", ("yaml-syntax", 1, 4)),
        ("a: b: c\n", ("yaml-syntax", 1, 5)),
        ("a: @b\n", ("yaml-syntax", 1, 4)),
        ("a: !!python/object:os.system x\n", ("yaml-syntax", 1, 4)),
        ("a: 1\n---\nb: 2\n", ("many-documents", 2, 1)),
        ("a: *b\n", ("unknown-alias", 1, 4)),
        ("a: \x07\n", ("yaml-syntax", 1, 4)),
        ("[a]: 1\n", ("bad-key", 1, 1)),
        (b"a: 1\nb: \xff\xfe\n", ("not-utf8", 2, 4)),
        ("a: 1".encode("utf-16"), ("not-utf8", 1, 1)),
    ],
)
def test_what_is_not_a_spec_is_located(text: str | bytes, expected: tuple[str, int, int]) -> None:
    assert faults(text) == [expected]


def test_a_byte_order_mark_is_not_a_character() -> None:
    assert parse("\ufeffa: 1".encode()).plain() == {"a": 1}


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_deep_nesting_is_refused(opening: str) -> None:
    assert faults(f"a: {opening * 100_000}")[0][0] == "too-deep"


def test_an_alias_bomb_is_refused_in_bounded_memory() -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
    )
    tracemalloc.start()
    try:
        assert faults(bomb)[0][0] == "alias-bomb"
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_text("a: 1\n" * 300_000)
    for path, code in ((tmp_path / "no.yaml", "missing-file"), (large, "file-too-large"), (tmp_path, "missing-file")):
        with pytest.raises(SpecError) as caught:
            read(path)
        assert [d.code for d in caught.value.diagnostics] == [code]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        assert isinstance(parse(raw).plain(), dict)
    except SpecError as error:
        assert error.diagnostics


@given(st.recursive(st.text(alphabet=":{}[]-#&*!|>'\"%@` \n\tab1", max_size=8), lambda s: st.lists(s).map("".join)))
def test_any_yaml_like_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text.encode())
    except SpecError as error:
        assert error.diagnostics


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: {b: 1, c: 2\nd: 3\n", (1, 4)),
        ("a: [1, 2\nd: 3\n", (1, 4)),
        ("a: {b: 1 c: 2}\nd: 3\n", (1, 11)),
        ("a:\n  x: 1\n  b\n  c: 1\n", (3, 3)),
        ("a:\n  x: 1\n  b 1\n  c: 1\n", (3, 3)),
    ],
)
def test_what_is_left_open_is_shown_where_it_was_opened(text: str, place: tuple[int, int]) -> None:
    assert faults(text) == [("yaml-syntax", *place)]


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x7f", "\u009b", "\ufffe", "\uffff", "\ufeff"])
@pytest.mark.parametrize("before", ["", "é: 1\n", "a: 1\r\nb: 2\n", "a: 'x\u2028  y'\n"])
def test_a_character_that_yaml_cannot_hold_is_located(character: str, before: str) -> None:
    line = len(BREAK.split(before))
    with pytest.raises(SpecError) as raised:
        parse(f"{before}名: x{character}".encode())
    (finding,) = raised.value.diagnostics
    assert (finding.code, finding.span) == ("yaml-syntax", Span(line, 5, 6))
    assert f"U+{ord(character):04X}" in finding.message
    assert ("control character" in finding.message) == (ord(character) < 0xA0)
    escape = finding.help.removeprefix("remove it, or write it as ").removesuffix(" inside double quotes")
    assert parse(f'{before}名: "x{escape}"'.encode()).plain()["名"] == f"x{character}"


ANCHORS = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{<<: [*a, *b]}", {"x": 1, "y": 1, "z": 2}),
        ("{<<: [*b, *a]}", {"x": 1, "y": 2, "z": 2}),
        ("{y: 3, <<: [*a, *b]}", {"x": 1, "y": 3, "z": 2}),
        ("{<<: [*a, *b], y: 3}", {"x": 1, "y": 3, "z": 2}),
        ("{<<: [*a, {<<: *b, z: 4}]}", {"x": 1, "y": 1, "z": 4}),
        ("{<<: []}", {}),
        ("{<<: {x: 5}}", {"x": 5}),
        ("{'<<': *a}", {"<<": {"x": 1, "y": 1}}),
    ],
)
def test_merges_are_those_of_the_yaml_type(text: str, expected: object) -> None:
    whole = f"{ANCHORS}c: {text}\n"
    assert parse(whole.encode()).plain()["c"] == expected
    if "'" not in text:
        assert yaml.safe_load(whole)["c"] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{<<: 1}", [("bad-merge", 3, 9)]),
        ("{<<: }", [("bad-merge", 3, 9)]),
        ("{<<: [*a, 1]}", [("bad-merge", 3, 14)]),
        ("{<<: [[*a]]}", [("bad-merge", 3, 10)]),
        ("{<<: *a, <<: *b}", [("duplicate-key", 3, 13)]),
    ],
)
def test_what_cannot_be_merged_is_located(text: str, expected: object) -> None:
    assert faults(f"{ANCHORS}c: {text}\n") == expected
