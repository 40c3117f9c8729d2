"""Quoting: what a filter writes, the format's own reader reads back as the same value."""

from __future__ import annotations

import ast
import json
import subprocess

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from ruamel.yaml import YAML

from mlspec.render import quoting

TEXTS = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=30)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text("abc", min_size=1), s, max_size=3)
)
HOSTILE = ["on", "1e5", "010", "0o17", "0x1f", "1_000", "1:30", "=", "<<", "~", "", " x ", "a: b", "# c", "y", "No",
           "-", "- a", "?", "!tag", "&a", "*a", "@", "`", "%", "{", "[", "|", ">", "'", '"', "a\nb", "\t", "\x85", "\ufeff",
           "${x}", "$${x}", "\\${x}", "2026-11-23", ".inf", "nan", "+1", "1.", ".5", "1e", "null", "é", "日本"]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_for_every_yaml_reader(text: str) -> None:
    for written in (
        quoting.yaml({"key": [text, {text or "k": text}]}),
        quoting.flow({"key": [text, {text or "k": text}]}),
    ):
        expected = {"key": [text, {text or "k": text}]}
        assert pyyaml.safe_load(written) == expected
        assert YAML(typ="safe", pure=True).load(written) == expected


@given(VALUES)
def test_yaml_reads_back(value: object) -> None:
    written = quoting.yaml({"key": value})
    assert pyyaml.safe_load(written) == {"key": value}
    assert YAML(typ="safe", pure=True).load(written) == {"key": value}


@given(VALUES)
def test_flow_is_one_line(value: object) -> None:
    written = quoting.flow(value)
    assert pyyaml.safe_load(written) == value
    assert "\n" not in written


@given(st.lists(st.sampled_from(["${", "}", "\\", "a", "$", "{", "oc.env:X"]), max_size=8).map("".join))
def test_hydra_makes_interpolations_literal(text: str) -> None:
    written = quoting.yaml({"key": quoting.hydra(text)})
    assert OmegaConf.to_container(OmegaConf.create(written), resolve=True) == {"key": text}


@given(TEXTS.filter(lambda t: "\0" not in t))
def test_shell_words(text: str) -> None:
    done = subprocess.run(["sh", "-c", f"printf %s {quoting.shell(text)}"], capture_output=True, check=True)
    assert done.stdout == text.encode()


@given(VALUES)
def test_json_and_python(value: object) -> None:
    assert json.loads(quoting.to_json(value)) == value
    assert json.loads(quoting.pretty_json(value)) == value
    assert ast.literal_eval(quoting.python(value)) == value


@given(TEXTS)
def test_one_line_formats_never_break_their_line(text: str) -> None:
    for quote in (quoting.comment, quoting.dockerfile, quoting.ini, quoting.hcl):
        assert len(quote(text).splitlines()) <= 1


def test_hcl_templates_are_literal() -> None:
    assert quoting.hcl('x"; ${file("/etc/passwd")} %{ if x }') == '"x\\"; $${file(\\"/etc/passwd\\")} %%{ if x }"'
    assert quoting.hcl({"a": [1, True, None]}) == '{ "a" = [1, true, null] }'
