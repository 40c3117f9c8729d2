"""Every map of the language whose keys a person chooses, with keys made to break out of their place.

The build refuses the key with its place, or every generated file parses, has exactly the maps, lists and values that it has
with a harmless key, and has the key itself wherever it has the harmless one. All keys of all maps are in one build; those
that it refuses are left out of the next one.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from mlspec.parts.all_parts import PARTS
from mlspec.spec.json_schema import json_schema
from tests.conftest import CHECKOUT
from tests.scenarios.free_text_leaves import Place, maps, with_keys
from tests.scenarios.test_hostile_leaves import EXPRESSION, HOSTILE, PREPARE, Tagged, bases, outcome, skeleton
from tests.scenarios.test_hostile_text import READERS


@dataclass(frozen=True)
class UserMap:
    """A map: the spec that gets the keys, the value of each, and what a key looks like around the text."""

    base: str
    value: Any
    form: str = "{}"


MAPS: Final[Mapping[str, UserMap]] = {
    "data.checks": UserMap("table", {"not_null": True}),
    "data.inputs": UserMap("table", "number"),
    "data.target.values": UserMap("table", "a"),
    "deploy.lambda.environment": UserMap("terraform", "a"),
    "environments": UserMap("custom", {"train": {"max_epochs": 1}}),
    "evaluate.gates": UserMap("table", "<= 0.5", "mape@district={}"),
    "evaluate.slices": UserMap("custom", {"column": "sentence"}),
    "experiments": UserMap("custom", {"train.max_epochs": 1}),
    "monitor.drift.slices": UserMap("table", {"column": "district"}),
    "monitor.log.columns": UserMap("terraform", "drop"),
    "monitor.prometheus.labels": UserMap("terraform", "a"),
    "monitor.quality.slices": UserMap("table", {"column": "district"}),
    "package.docker.labels": UserMap("terraform", "a"),
    "package.requirements": UserMap("terraform", "1.0.0"),
    "run.resources": UserMap("custom", {"gpu": 1}),
    "sweep.parameters": UserMap("terraform", {"values": [1, 2]}),
    "test.direction": UserMap("table", {"trend": "increasing"}),
}
"""Every map by its path."""
FIXED: Final = {"data.sha256", "monitor.prometheus.images"}
"""Maps whose keys are a fixed set."""


def test_every_map_gets_hostile_keys() -> None:
    assert {".".join(path) for path in maps(json_schema(PARTS))} == {*MAPS} | FIXED


def hostile_keys(base: str, texts: Mapping[int, str]) -> dict[Place, Any]:
    """The entries for a base, each with a number in its key, so that no two are alike, in one map or in two."""
    return {
        (*path.split("."), one.form.format(f"{text}k{100 * place + number}")): one.value
        for place, (path, one) in enumerate(MAPS.items())
        for number, text in texts.items()
        if one.base == base
    }


def accepted(base: Mapping[str, Any], keys: Mapping[Place, Any], folder: Path) -> tuple[list[Place], dict[str, str]]:
    """The keys that the build takes together, and its files. It refuses each of the others at its place, or at its map."""
    left = dict(keys)
    while True:
        files, faults = outcome(with_keys(base, left), folder)
        if not faults:
            return list(left), files
        refused = {at for at in left if any(fault[: len(at)] == at for fault in faults)}
        refused = refused or {at for at in left if outcome(with_keys(base, {at: left[at]}), folder)[1]}
        assert refused, f"no key is the cause of {faults}"
        left = {at: value for at, value in left.items() if at not in refused}


def harmless(at: Place, number: int) -> Place:
    """The same place with a harmless key; one with a dot, which Elasticsearch reads as a path, has a twin with a dot."""
    form = MAPS[".".join(map(str, at[:-1]))].form
    return (*at[:-1], form.format(f"harmless{number}{'.a' if '.' in str(at[-1]) else ''}"))


def texts(value: Any) -> Iterator[str]:
    """Every text of a parsed file, keys among them."""
    if isinstance(value, dict):
        yield from (text for pair in value.items() for part in pair for text in texts(part))
    elif isinstance(value, list | tuple):
        yield from (text for inner in value for text in texts(inner))
    elif isinstance(value, str):
        yield value


def counted(path: str, text: str) -> Counter[str]:
    """How often each text is in a file that has a reader."""
    if path == "Dockerfile":
        quoted = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
        return Counter([*(re.sub(r"\\(.)", r"\1", one) for one in quoted), *re.findall(r"[\w.]+(?==)", text)])
    if path.endswith((".yaml", ".yml")) and not path.startswith("conf/"):
        return Counter(texts(yaml.load(text, Tagged)))
    reader = next((read for pattern, read in READERS[:-1] if re.fullmatch(pattern, path)), None)
    return Counter(texts(reader(text))) if reader is not None else Counter()


@pytest.mark.parametrize(("name", "accepted_keys"), [("terraform", 7), ("table", 51), ("custom", 11)])
def test_a_hostile_key_is_refused_with_its_place_or_given_back(name: str, accepted_keys: int, tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "specs" / "custom" / "src", tmp_path / "src")
    (tmp_path / "src" / "prepare.py").write_text(PREPARE, encoding="utf-8")
    base = bases()[name]
    numbered = dict(enumerate(HOSTILE))
    long = {number: text for number, text in numbered.items() if len(text) > 1000}
    taken = 0
    for given in ({number: text for number, text in numbered.items() if number not in long}, long):
        left, files = accepted(base, hostile_keys(name, given), tmp_path)
        twins = {at: harmless(at, number) for number, at in enumerate(left)}
        entries = hostile_keys(name, given)
        expected, faults = outcome(with_keys(base, {twins[at]: entries[at] for at in left}), tmp_path)
        assert faults == set(), "a harmless key is refused"
        names = {str(twin[-1]): str(at[-1]) for at, twin in twins.items()}
        assert set(files) == {renamed(path, names) for path in expected}
        for path, text in expected.items():
            own = files[renamed(path, names)]
            quoted = re.sub(r"\bharmless[\d.a]+(?==)", '""', text) if path == "Dockerfile" else text
            assert own == text or skeleton(path, own) == skeleton(path, quoted), path
            before, now = counted(path, text), counted(path, own)
            assert {key: before[key] for key in names} == {key: now[text] for key, text in names.items()}, path
            assert not (path.startswith(".github/") and EXPRESSION in own), path
        taken += len(left)
    assert taken >= accepted_keys


def renamed(path: str, names: Mapping[str, str]) -> str:
    """The path with a hostile key in the place of the harmless one."""
    return re.sub(r"harmless\d+(?:\.a)?", lambda match: names.get(match[0], match[0]), path)
