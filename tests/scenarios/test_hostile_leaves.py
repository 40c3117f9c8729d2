"""Every key of the language that takes free text, from its JSON Schema, with text made to break out of its place.

The build refuses the text with its place, or every generated file parses and has exactly the maps, lists and values that
it has with a harmless text of the same length. `test_hostile_text.py` judges the value of the most exposed keys.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from ruamel.yaml import YAML

from mlspec.compiler import compile_project
from mlspec.errors import SpecError
from mlspec.parts.all_parts import PARTS
from mlspec.spec.json_schema import json_schema
from tests.conftest import CHECKOUT
from tests.scenarios.free_text_leaves import KeyPath, Place, leaves, place, shape, with_values, written
from tests.scenarios.test_hostile_text import READERS

EXPRESSION: Final = "${{ toJSON(github) }}"
HOSTILE: Final = (
    "a\"b'c\\",
    "a\nb: c\n- d\nFROM e\n",
    f"a{EXPRESSION}",
    "$(touch a) `touch b`",
    "${var.a} %{ if true } %{ endif }",
    "{{ a }} {= a =} {% raw %}",
    "a\u2028b\u2029c\x85d",
    "a\x00b",
    "\x1b[31ma\x1b[0m",
    "a: {b: c} # [d] &e *f !g |> -->",
    "</script><script>alert(1)</script>",
    "a" * 70_000,
)
HARMLESS: Final = "harmless"


def spec(name: str) -> dict[str, Any]:
    """An example, without environments."""
    text = (CHECKOUT / "specs" / name / "mlproject.yaml").read_text(encoding="utf-8")
    return {key: value for key, value in YAML(typ="safe").load(text).items() if key != "environments"}


MORE: Final[Mapping[str, Any]] = {
    "data": {
        "collected": "data/collected", "format": {"nulls": ["NA"]}, "deps": ["data/notes.txt"],
        "checks": {"mark": {"in": ["a"], "matches": "a+"}},
    },
    "export": {"sign": {"key": {"private": {"env": "KEY"}, "public": "mlproject.yaml"}}},
    "test": {"pytest": {"select": "not slow", "args": ["-x"]}, "invariance": {"columns": ["sentence"]}},
    "track": {
        "wandb": {"api_key": {"env": "KEY"}, "group": "a", "entity": "a", "mode": "online"},
        "mlflow": {"experiment": "a"},
    },
    "package": {"docker": {"labels": {"org.example.note": "a"}}},
    "registry": {"ecr": {"pull_accounts": ["123456789012"], "account": "123456789012"}},
    "deploy": {
        "lambda": {
            "environment": {"NOTE": "a", "KEY": {"env": "KEY"}}, "url": {"cors_origins": ["https://example.org"]},
            "vpc": {"subnets": ["subnet-1"], "security_groups": ["sg-1"]},
        },
    },
    "ci": {"github": {"env": None, "branches": ["main"], "train_on": ["pull_request", "push", "dispatch"]}},
    "monitor": {
        "log": {"folder": "logs"},
        "drift": {"columns": ["sentence"]},
        "notify": {
            "webhook": {"env": "HOOK"}, "slack": {"env": "HOOK"},
            "github": {"repository": "a/b", "labels": ["a"], "token": {"env": "TOKEN"}, "api": "https://api.github.com"},
            "mail": {
                "to": ["a@example.org"], "sender": "b@example.org", "host": "mail.example.org", "port": 587,
                "security": "starttls", "user": {"env": "USER_NAME"}, "password": {"env": "PASSWORD"},
            },
        },
        "prometheus": {"images": {"prometheus": "prom/prometheus"}, "targets": ["a:1"]},
        "retrain": {"cooldown": "1d"},
    },
    "sweep": {"parameters": {"track.wandb.group": {"values": ["a", "b"]}}},
}  # fmt: skip
"""What the full spec leaves out and goes with the rest of it."""


TABLE: Final[Mapping[str, Any]] = {
    "test": {"direction": {"area": {"trend": "increasing"}}},
    "track": {"dagshub": {"repo": "ada/mood", "register": "mood", "experiment": "a", "token": {"env": "KEY"}}},
    "export": {"sign": {"keyless": {"identity": "a@example.org", "issuer": "https://example.org"}}},
    "package": {"zip": {"bucket": "house-price", "max_size": "200MB", "python": "3.12"}},
    "deploy": {"iac": "sam", "lambda": {"region": "eu-west-1", "environment": {"NOTE": "a"}, "alarms": {"error_rate": "> 0.1"}}},
    "monitor": {"elasticsearch": {"index": "houses"}},
}  # fmt: skip
"""What goes with a table."""


SERVERLESS: Final[Mapping[str, Any]] = {
    "deploy": {"iac": "serverless", "rollout": {"steps": [10, 100]}},
    "monitor": {"on_drift": "retrain", "drift": {"columns": []}, "prometheus": {"pushgateway": {"env": "GATEWAY"}}},
}
"""The other tool, and the other kinds of values."""
CUSTOM: Final[Mapping[str, Any]] = {
    "model": {"preprocess": {"class": "src.prepare:Prepare"}},
    "track": {"mlflow": {"uri": "https://example.org", "username": {"env": "KEY"}, "password": {"env": "KEY"}}},
    "export": {"onnx": {}},
    "package": {"docker": {}},
}
"""What goes with a model of one's own."""


PREPARE: Final = "class Prepare:\n    def __call__(self, rows):\n        return {}\n"


def merged(first: Any, second: Any) -> Any:
    """Two specs in one; of two values the second."""
    if not (isinstance(first, Mapping) and isinstance(second, Mapping)):
        return second
    return {
        key: merged(first.get(key, {}), second[key]) if key in second else first[key] for key in {**first, **second}
    }


@cache
def bases() -> dict[str, dict[str, Any]]:
    """The specs that get the texts, without experiments: each of those is checked as a whole spec again."""
    text = merged({key: value for key, value in spec("full").items() if key != "experiments"}, MORE)
    table = merged(spec("regression"), TABLE)
    del table["package"]["docker"]
    serverless = merged(text, SERVERLESS)
    return {"terraform": text, "serverless": serverless, "table": table, "custom": merged(spec("custom"), CUSTOM)}


class Tagged(yaml.CSafeLoader):
    """Reads `!Ref x` of CloudFormation as a map with one key."""


def _tagged(loader: Tagged, tag: str, node: yaml.Node) -> dict[str, Any]:
    constructed = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence}
    return {tag: constructed.get(type(node), loader.construct_mapping)(node)}  # type: ignore[operator]


Tagged.add_multi_constructor("!", _tagged)


@cache
def free_text() -> tuple[KeyPath, ...]:
    """Every key that takes free text; those of an environment are the same again."""
    return tuple(path for path in leaves(json_schema(PARTS)) if path[0] not in ("environments", "experiments"))


@cache
def skeleton(path: str, text: str) -> Any:
    """The structure of a file: its maps, lists and values without their texts."""
    if path.endswith(".py"):
        return [type(node).__name__ for node in ast.walk(ast.parse(text))]
    if path.endswith((".yaml", ".yml")):
        return shape(yaml.load(text, Tagged))
    reader = next((read for pattern, read in READERS[:-1] if re.fullmatch(pattern, path)), None)
    if reader is not None:
        return shape(reader(text))
    injected = [line for line in text.split("\n") if line in HOSTILE[1].split("\n")]
    return outside_of_quotes(text) if path.endswith((".tf", ".hcl", "Dockerfile")) else [one for one in injected if one]


def outside_of_quotes(text: str) -> list[str]:
    """The first word of each line of a format that is read line by line, without comments and continued texts."""
    lines = (re.sub(r'"(?:[^"\\]|\\.)*"', '""', line) for line in text.splitlines())
    return [line.split()[0] for line in lines if line.strip() and not line.lstrip().startswith("#")]


KEPT: Final[Mapping[str, str]] = {
    "data.inputs.*.background": "a colour",
    "data.target.values.*": "numbers for labels; the labels themselves are here",
    "data.sha256.*": "digests of several files",
    "monitor.drift.slices.*": "the names of inputs",
    "monitor.quality.slices.*": "the names of inputs",
    "monitor.elasticsearch.redact.*": "an earlier key, which the build refuses",
    "package.requirements.*": "names of packages",
}
"""Keys without a text here, each with what it takes."""


def test_every_key_that_takes_free_text_gets_hostile_text() -> None:
    covered = {path for base in bases().values() for path in free_text() if place(base, path) is not None}
    assert {".".join(path) for path in free_text() if path not in covered} == set(KEPT)
    assert len(covered) > 150


def outcome(spec: Mapping[str, Any], folder: Path) -> tuple[dict[str, str], set[Place]]:
    """The files of a spec, or the places of what is wrong with it."""
    text, at = written(spec)
    (folder / "mlproject.yaml").write_text(text, encoding="utf-8")
    try:
        return {file.path: file.text for file in compile_project(folder / "mlproject.yaml").files}, set()
    except SpecError as error:
        faults = [fault for fault in error.diagnostics if fault.severity == "error"]
        assert all(fault.span is not None for fault in faults), faults
        return {}, {at[fault.span.line] for fault in faults if fault.span is not None}


def remembered() -> Callable[[Mapping[str, Any], Path], tuple[dict[str, str], set[Place]]]:
    """`outcome`, for specs that are mostly the same."""
    seen: dict[str, tuple[dict[str, str], set[Place]]] = {}

    def get(spec: Mapping[str, Any], folder: Path) -> tuple[dict[str, str], set[Place]]:
        key = repr(spec)
        if key not in seen:
            seen[key] = outcome(spec, folder)
        return seen[key]

    return get


def accepted(
    base: Mapping[str, Any], texts: Mapping[Place, str], folder: Path
) -> tuple[dict[Place, str], dict[str, str]]:
    """The texts that the build takes together, and its files. It refuses each of the others at its place."""
    left = dict(texts)
    while True:
        files, faults = outcome(with_values(base, left), folder)
        if not faults:
            return left, files
        refused = {each for each in left if any(each[: len(fault)] == fault for fault in faults)}
        refused = {each for each in refused if each in faults} or refused
        refused = refused or {each for each in left if outcome(with_values(base, {each: left[each]}), folder)[1]}
        assert refused, f"no text is the cause of {faults}"
        for each in refused:
            del left[each]


@pytest.mark.slow
@pytest.mark.parametrize("name", bases())
def test_a_hostile_text_is_refused_with_its_place_or_changes_no_structure(name: str, tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "specs" / "custom" / "src", tmp_path / "src")
    (tmp_path / "src" / "prepare.py").write_text(PREPARE, encoding="utf-8")
    base, taken = bases()[name], set[Place]()
    taking = sorted({at for path in free_text() if (at := place(base, path)) is not None}, key=repr)
    known = remembered()
    _, faults = known(base, tmp_path)
    assert faults == set()
    named = [at for at in taking if at[:1] == ("data",)]
    if name in ("serverless", "terraform"):  # a build of a smaller spec takes less time
        smaller = {place(bases()[other], path) for path in free_text() for other in ("table", "custom")}
        taking = [at for at in taking if at not in named or at not in smaller or at[1] == "collected"]
    if name == "serverless":
        taking = entering_services(base, taking, tmp_path)
    """What others refer to: a text there is refused at the place of the reference. Those have a build of their own, which
    one build for each follows where its faults are of none of them."""
    for turn in range(len(HOSTILE)):
        shown = [at for at in taking if not any(at != one and at == one[: len(at)] for one in taking) or turn % 2]
        shown = [at for at in shown if not any(at != one and one == at[: len(one)] for one in shown)]
        texts = {at: HOSTILE[(number + turn) % len(HOSTILE)].replace("${", "$${") for number, at in enumerate(shown)}
        groups = [[at for at in shown if at not in named], [at for at in shown if at in named]]
        while groups:
            group = groups.pop()
            left, files = accepted(base, {at: texts[at] for at in group}, tmp_path)
            names = {at: f"{HARMLESS}{number if len(left) > 1 else ''}" for number, at in enumerate(left)}
            twin = {at: paths(plain(left[at]), names[at]) if at in named else original(base, at) for at in left}
            harmless, faults = known(with_values(base, twin), tmp_path)
            if faults and len(left) > 1:  # one of them has no harmless twin: each is compared alone
                groups += [[at] for at in left]
                continue
            if faults:
                twin = {at: original(base, at) for at in left}
                harmless, faults = known(with_values(base, twin), tmp_path)
            assert faults == set()
            for at, text in left.items():  # a folder that the spec names
                before, now = f"{twin[at]}/", f"{plain(text)}/"
                harmless = {re.sub(f"^{re.escape(before)}", lambda _: now, path): harmless[path] for path in harmless}  # noqa: B023
            assert set(files) == set(harmless)
            for path, content in files.items():
                same = content == harmless[path] or skeleton(path, content) == skeleton(path, harmless[path])
                assert same, (path, left)
                assert not (path.startswith(".github/") and EXPRESSION in content), (path, left)
            taken |= set(left)
    assert len(taken) > (0 if name == "serverless" else 8), taken


def entering_services(base: Mapping[str, Any], taking: Sequence[Place], folder: Path) -> list[Place]:
    """The places whose text is in a file of the other tool, or that only its spec has: the rest is the same again.

    A description with `${` is written elsewhere: `test_hostile_infrastructure_text.py`.
    """
    inner = [at for at in taking if not any(at != one and at == one[: len(at)] for one in taking)]
    marks = {at: f"mark{number}x" for number, at in enumerate(inner)}
    left, files = accepted(base, marks, folder)
    entered = "".join(text for path, text in files.items() if path.startswith("serverless/"))
    same = {place(bases()["terraform"], path) for path in free_text()}
    entering = [at for at in taking if at not in same or (at in left and marks[at] in entered)]
    return [at for at in entering if at != ("project", "description")]


def plain(text: str) -> str:
    """A text as the spec means it."""
    return text.replace("$${", "${")


def paths(text: str, harmless: str) -> str:
    """A harmless path with as many folders, or with the same pattern."""
    return "/".join("*.csv" if "*" in name else harmless for name in text.split("/"))


def original(base: Any, at: Place) -> str:
    """The value that the spec has there, or a harmless one."""
    for step in at:
        if isinstance(base, dict) and step not in base:
            return HARMLESS
        base = base[step]
    return base if isinstance(base, str) else HARMLESS
