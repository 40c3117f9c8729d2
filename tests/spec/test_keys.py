"""The way from a location to the fields there; references and overlays, by what must hold of them whatever they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, RootModel

from mlspec.diagnostics import Span
from mlspec.parts.all_parts import PARTS
from mlspec.source.document import Entry, Node
from mlspec.spec import keys
from mlspec.spec.overlays import nested, overlay, without
from mlspec.spec.references import resolve
from mlspec.spec.root import root_model
from mlspec.spec.spec_model import SpecModel
from tests.mutations import loaded, locations

HERE = Span(1, 1, 2)


class Leaf(SpecModel):
    """A leaf."""

    size: int = Field(1, description="How large")
    kind_: str = Field("", alias="class", description="A word of Python's")


class Named(RootModel[dict[str, Leaf]]):
    """Leaves by name."""


class Tree(SpecModel):
    """A tree."""

    leaf: Leaf | None = Field(None, description="One")
    leaves: list[Leaf] = Field([], description="Many")
    pair: tuple[int, Leaf] = Field((1, Leaf()), description="Two")
    free: dict[str, Any] = Field({}, description="Anything")
    named: Named | None = Field(None, description="By name")
    mixed: str | Leaf = Field("", description="One of several")


@pytest.mark.parametrize(
    ("location", "known"),
    [
        ((), True),
        (("leaf",), True),
        (("leaf", "size"), True),
        (("leaf", "class"), True),
        (("leaf", "kind_"), False),
        (("leaf", "colour"), False),
        (("leaf", "size", "more"), False),
        (("leaves", 3, "size"), True),
        (("leaves", "size"), False),
        (("pair", 0), True),
        (("pair", 1, "size"), True),
        (("pair", 0, "size"), False),
        (("free", "a", "b", "c"), True),
        (("named", "any", "size"), True),
        (("named", "any", "colour"), False),
        (("mixed", "size"), True),
        (("mixed", "Leaf", "size"), True),
        (("twig",), False),
        (("",), False),
    ],
    ids=str,
)
def test_what_a_model_knows(location: tuple[str | int, ...], known: bool) -> None:
    assert (keys.at(Tree, location) is not None) == known


def test_dotted_keys_and_names() -> None:
    assert keys.known(Tree, "leaf.size")
    assert not keys.known(Tree, "leaf..size")
    assert list(keys.fields(Leaf)) == ["size", "class"]
    assert list(keys.fields(Leaf | Tree)) == ["size", "class", "leaf", "leaves", "pair", "free", "named", "mixed"]


def test_every_value_of_the_full_spec_has_a_field() -> None:
    """Of the real models: nothing that a spec may say is unknown to what suggests and completes."""
    model = root_model(PARTS)
    assert [at for at in locations(loaded("specs/full/mlproject.yaml")) if keys.at(model, at) is None] == []


WORDS = st.sampled_from(["a", "b", "c", "d"])
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["$", "$$", "{", "}", "$${a}"])
)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=12
)
MAPPINGS = st.dictionaries(WORDS, TREES, max_size=4)


def node(value: Any) -> Node:
    if isinstance(value, dict):
        return Node(HERE, {key: Entry(HERE, node(item)) for key, item in value.items()})
    if isinstance(value, list):
        return Node(HERE, tuple(node(item) for item in value))
    return Node(HERE, value)


@settings(deadline=None, derandomize=True)
@given(MAPPINGS, MAPPINGS, MAPPINGS)
def test_overlays_can_be_taken_together(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    """An environment and an experiment on top of it mean the same in either grouping, if no mapping is replaced."""
    left = overlay(overlay(node(a), node(b)), node(c)).plain()
    right = overlay(node(a), overlay(node(b), node(c))).plain()
    if not conflicting(a, b, c):
        assert left == right
    assert overlay(node(a), node({})).plain() == a
    assert overlay(node({}), node(a)).plain() == a
    assert overlay(node(a), node(a)).plain() == a


def conflicting(a: Any, b: Any, c: Any) -> bool:
    """Whether the middle replaces a mapping by something else that the last then covers with a mapping."""
    if not all(isinstance(value, Mapping) for value in (a, b, c)):
        return isinstance(a, Mapping) and isinstance(c, Mapping)
    shared = a.keys() & b.keys() & c.keys()
    return any(conflicting(a[key], b[key], c[key]) for key in shared)


@settings(deadline=None, derandomize=True)
@given(MAPPINGS, MAPPINGS)
def test_an_overlay_wins_and_keeps_the_rest(base: dict[str, Any], patch: dict[str, Any]) -> None:
    merged = overlay(node(base), node(patch)).plain()
    assert isinstance(merged, dict)
    assert merged.keys() == base.keys() | patch.keys()
    for key in base.keys() - patch.keys():
        assert merged[key] == base[key]
    for key, value in patch.items():
        if not isinstance(value, dict):
            assert merged[key] == value
    assert overlay(node(merged), node(patch)).plain() == merged


def test_dotted_patches_become_mappings() -> None:
    patch = node({"train.max_epochs": 1, "train": {"seed": 2}, "train.schedule.type": "linear", "plain": 3})
    assert nested(patch).plain() == {"train": {"max_epochs": 1, "seed": 2, "schedule": {"type": "linear"}}, "plain": 3}
    assert nested(node(5)).plain() == 5
    assert without(node({"a": 1, "b": 2}), "a", "c").plain() == {"b": 2}


@settings(deadline=None, derandomize=True)
@given(MAPPINGS)
def test_without_references_nothing_changes(values: dict[str, Any]) -> None:
    result, faults = resolve(node(values))
    assert faults == []
    assert result.plain() == unescaped(values)


def unescaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: unescaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unescaped(item) for item in value]
    return value.replace("$${", "${") if isinstance(value, str) else value


TARGETS = st.dictionaries(
    WORDS, st.integers() | st.booleans() | st.sampled_from(["x", "${a}", "${b}", "${c} and ${d}", "-${e}-"])
)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(TARGETS)
def test_resolving_twice_is_resolving_once(values: dict[str, Any]) -> None:
    """What refers to nothing, or round in a circle, is a fault; all else comes out without a reference."""
    result, faults = resolve(node(values))
    if not faults:
        again, none = resolve(result)
        assert none == []
        assert again.plain() == result.plain()
        assert "${" not in str(result.plain())
    assert {fault.code for fault in faults} <= {"bad-reference", "reference-cycle"}


def test_a_reference_takes_the_type_and_text_takes_the_words() -> None:
    values = {
        "n": 3,
        "yes": True,
        "list": [1, {"deep": "x"}],
        "a": "${n}",
        "b": "${n} of ${yes}",
        "c": "${list}",
        "d": "${list.1.deep}",
    }
    result, faults = resolve(node(values))
    assert faults == []
    plain = result.plain()
    assert isinstance(plain, dict)
    assert (plain["a"], plain["b"], plain["c"], plain["d"]) == (3, "3 of true", [1, {"deep": "x"}], "x")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("${nothing}", "bad-reference"),
        ("${}", "bad-reference"),
        ("${.}", "bad-reference"),
        ("${list.7}", "bad-reference"),
        ("${list.-1}", "bad-reference"),
        ("${list.²}", "bad-reference"),
        ("a ${list} b", "bad-reference"),
        ("${me}", "reference-cycle"),
        ("${me} again", "reference-cycle"),
    ],
)
def test_a_dangling_reference(text: str, code: str) -> None:
    _, faults = resolve(node({"list": [1], "me": text}))
    assert [fault.code for fault in faults] == [code]
