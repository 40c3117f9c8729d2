"""The JSON Schema, judged by a validator that knows nothing of mlspec: it takes every good spec and refuses the bad."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from mlspec.explain import explanations
from mlspec.parts.all_parts import PARTS
from mlspec.spec.json_schema import json_schema
from tests.conftest import CHECKOUT, missing
from tests.mutations import bases, loaded

SCHEMA = json_schema(PARTS)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
CAUGHT = {
    "bad-format", "bad-schedule", "bad-repository-name", "literal-secret", "missing-key", "not-one-of", "out-of-range",
    "path-outside-project", "unknown-key", "unknown-orchestrator", "wrong-type",
}  # fmt: skip
"""Codes of faults that an editor can show with the schema alone."""
TOO_SUBTLE = {"bad-schedule"}
"""Of those, the ones that only the plainest forms of are caught."""
CROSS = {code for code, file in explanations().items() if "parts" in file.parts}
"""Codes of faults that the parts find by looking at several values."""
BAD = sorted((CHECKOUT / "tests" / "golden" / "bad").glob("*.yaml"))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", bases())
def test_a_good_spec_satisfies_it(name: str) -> None:
    VALIDATOR.validate(loaded(name))


@pytest.mark.parametrize("path", [path for path in BAD if path.stem in CAUGHT - TOO_SUBTLE], ids=lambda path: path.stem)
def test_a_bad_spec_fails_it(path: Path) -> None:
    assert not VALIDATOR.is_valid(YAML(typ="safe").load(path))


@pytest.mark.parametrize("path", [path for path in BAD if path.stem in CROSS - CAUGHT], ids=lambda path: path.stem)
def test_the_schema_accepts_errors_that_only_the_compiler_finds(path: Path) -> None:
    VALIDATOR.validate(YAML(typ="safe").load(path))


def values(**changes: Any) -> dict[str, Any]:
    spec = loaded("specs/full/mlproject.yaml")
    for dotted, value in changes.items():
        *above, last = dotted.split("__")
        node = spec
        for step in above:
            node = node[step]
        node[last] = value
    return spec


@pytest.mark.parametrize(
    "changes",
    [
        {"train__max_epochs": "${train.seed}"},
        {"deploy__lambda__url": "${registry.ecr.immutable}"},
        {"model__type": "${project.description}"},
        {"project__name": "${project.license}-model"},
        {"export__onnx__max_size": "${package.docker.max_size}"},
        {"export__onnx__batch_sizes": [1, "${train.batch_size}"]},
        {"data__inputs": "${data.format}"},
        {"data__inputs": {"sentence": "${data.format.type}"}},
        {"evaluate__gates": {"mcc": "${monitor.alerts.error_rate}"}},
        {"train__schedule": None},
        {"train": None},
        {"test__robustness": None},
        {"train__learning_rate": 1},
        {"deploy__lambda__environment": {"MODE": "x", "KEY": {"env": "KEY"}}},
    ],
    ids=str,
)
def test_references_and_empty_sections_are_allowed(changes: dict[str, Any]) -> None:
    VALIDATOR.validate(values(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"project__name": "Cola Model"},
        {"package__docker__max_size": "500 megabytes"},
        {"monitor__elasticsearch__retention": "a month"},
        {"evaluate__gates": {"mcc": "0.2"}},
        {"model__class": "src.model.Custom"},
        {"data__source": "../rows.csv"},
        {"data__source": "/rows.csv"},
        {"data__format": {"images": "a/../../b"}},
        {"ci__github__schedule": "daily"},
        {"track__wandb__api_key": "a literal"},
        {"track__wandb__api_key": {"env": "not a name"}},
        {"train__max_epochs": 0},
        {"train__max_epochs": "${}"},
        {"train__max_epochs": "about ${train.seed}"},
        {"train__max_epoch": 1},
        {"export__onnx__batch_sizes": [0]},
        {"data__inputs": {}},
        {"environments": {"prod": {"trian": {}}}},
    ],
    ids=str,
)
def test_faults_that_an_editor_can_mark(changes: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(values(**changes))


OVERLAYS_GOOD: list[dict[str, Any]] = [
    {},
    {"train": {"max_epochs": 2}},
    {"train": None},
    {"train": "${train}"},
    {"train": {"max_epochs": "${train.seed}", "schedule": None}},
    {"model": {"max_length": 64}},
    {"model": {"class": "src.model:Mine", "args": {"hidden": 3}}},
    {"data": {"source": "data/more.csv"}},
    {"data": {"inputs": {}}},
    {"data": {"inputs": {"sentence": {"channels": 3}}, "split": {"valid": 0.3}}},
    {"track": {"wandb": {"mode": "online"}}},
    {"monitor": {"elasticsearch": {"retention": "7d"}}},
    {"deploy": {"lambda": {"memory": 4096, "environment": {"A": "b"}}, "rollout": {"steps": [50, 100]}}},
    {"sweep": {"trials": 3}},
    {"evaluate": {"gates": {"mcc": ">= 0.4"}}},
    {"registry": {"ecr": {"region": "us-east-1"}}},
]
OVERLAYS_BAD: list[dict[str, Any]] = [
    {"trian": {}},
    {"train": {"max_epoch": 1}},
    {"train": {"max_epochs": 0}},
    {"train": {"max_epochs": "many"}},
    {"train": 3},
    {"model": {"dropout": 2}},
    {"model": {"claas": "src.model:Mine"}},
    {"model": {"type": "resnet"}},
    {"data": {"source": "../rows.csv"}},
    {"data": {"inputs": {"sentence": {"chanels": 3}}}},
    {"data": {"inputs": {"sentence": "words"}}},
    {"track": {"wandb": {"api_key": "a literal"}}},
    {"monitor": {"elasticsearch": {"retention": "a month"}}},
    {"deploy": {"lambda": {"memory": 1}}},
    {"deploy": {"rollout": {"steps": [0]}}},
    {"sweep": {"parameters": {"train.seed": {"minimum": 3}}}},
    {"evaluate": {"gates": {"mcc": "0.4"}}},
    {"environments": {}},
]
DOTTED_GOOD: list[dict[str, Any]] = [
    {"train.max_epochs": 1, "train": {"batch_size": 4}},
    {"train.max_epochs": "${train.seed}"},
    {"data.checks.sentence.max_length": 100},
    {"data.inputs.sentence": "text"},
    {"model.args.hidden.deep": [1]},
    {"deploy.lambda": {"memory": 2048}},
    {"deploy.lambda.environment.KEY": {"env": "KEY"}},
    {"evaluate.gates.mcc": ">= 0.4"},
]
DOTTED_BAD: list[dict[str, Any]] = [
    {"train.max_epoch": 1},
    {"train.max_epochs": 0},
    {"trian.max_epochs": 1},
    {"data.checks.sentence.max_lenght": 100},
    {"data.checks.sentence.max_length": -1},
    {"data.inputs.sentence": "words"},
    {"deploy.lambda": {"memori": 2048}},
    {"evaluate.gates.mcc": "0.4"},
    {"experiments": {}},
]


@pytest.mark.parametrize("laid", OVERLAYS_GOOD, ids=str)
def test_an_overlay_names_what_it_likes(laid: dict[str, Any]) -> None:
    VALIDATOR.validate(values(environments={"prod": laid}, experiments={"fast": laid}))


@pytest.mark.parametrize("laid", OVERLAYS_BAD, ids=str)
def test_an_overlay_is_held_to_the_sections(laid: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(values(environments={"prod": laid}))
    assert not VALIDATOR.is_valid(values(experiments={"fast": laid}))


@pytest.mark.parametrize("laid", DOTTED_GOOD, ids=str)
def test_an_experiment_may_reach_into_sections(laid: dict[str, Any]) -> None:
    VALIDATOR.validate(values(experiments={"fast": laid}))
    assert not VALIDATOR.is_valid(values(environments={"prod": laid}))


@pytest.mark.parametrize("laid", DOTTED_BAD, ids=str)
def test_what_it_reaches_for_is_held_to_the_sections(laid: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(values(experiments={"fast": laid}))


def test_experiments_have_names_and_overlays_are_mappings() -> None:
    assert not VALIDATOR.is_valid(values(experiments={"very fast": {}}))
    assert not VALIDATOR.is_valid(values(experiments={"fast": None}))
    assert not VALIDATOR.is_valid(values(environments={"prod": None}))
    VALIDATOR.validate(values(environments={"prod": {"experiments": {"fast": {"train.max_epochs": 1}}}}))


def test_overlay_schemas_are_pointers_not_copies() -> None:
    """The schema is read by editors at every key: pointers keep it near the size of the sections alone."""
    laid = {name: shape for name, shape in SCHEMA["$defs"].items() if name[0].islower() or name.startswith("Partial")}
    assert len(json.dumps(laid)) < 0.6 * len(json.dumps({n: s for n, s in SCHEMA["$defs"].items() if n not in laid}))


def resolved(pointer: str) -> Any:
    result: Any = SCHEMA
    for step in pointer.removeprefix("#/").split("/"):
        result = result[int(step) if isinstance(result, list) else step]
    return result


def described(shape: Any, at: str = "") -> Iterator[tuple[str, bool]]:
    """Every key of the schema, and whether something is said of it."""
    if isinstance(shape, dict):
        for name, inner in shape.get("properties", {}).items():
            while set(inner) == {"$ref"}:  # a key of an overlay is described where the section has it
                inner = resolved(inner["$ref"])
            yield f"{at}/{name}", bool(inner.get("description"))
        for name, inner in shape.get("$defs", {}).items():
            yield f"{at}#{name}", bool(inner.get("description"))
            yield from described(inner, f"{at}#{name}")


def test_everything_is_described() -> None:
    assert [where for where, known in described(SCHEMA) if not known] == []


def test_a_default_is_valid_by_itself() -> None:
    """A default that its own schema refuses would be completed into a red line."""
    wrong = []
    for name, shape in [("", SCHEMA), *SCHEMA["$defs"].items()]:
        for key, inner in shape.get("properties", {}).items():
            if inner.get("default") is not None:
                part = jsonschema.Draft202012Validator({**inner, "$defs": SCHEMA["$defs"]})
                wrong += [f"{name}.{key}"] if not part.is_valid(inner["default"]) else []
    assert wrong == []


def test_examples_are_valid() -> None:
    wrong = []
    for name, shape in [("", SCHEMA), *SCHEMA["$defs"].items()]:
        for key, inner in shape.get("properties", {}).items():
            part = jsonschema.Draft202012Validator({**inner, "$defs": SCHEMA["$defs"]})
            wrong += [f"{name}.{key}: {example}" for example in inner.get("examples", []) if not part.is_valid(example)]
    assert wrong == []


def patterns(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        yield from [value for key, value in node.items() if key == "pattern" and isinstance(value, str)]
        yield from node.get("patternProperties", {}) if isinstance(node.get("patternProperties"), dict) else ()
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from patterns(inner)


def test_every_pattern_is_one_of_javascript_too() -> None:
    """An editor compiles them with the flag `u`, which refuses needless backslashes, and then ignores the schema."""
    if shutil.which("node") is None:
        missing("Node.js")
    program = (
        "for (const p of JSON.parse(process.argv[1])) try { new RegExp(p, 'u') } catch (e) { console.log(e.message) }"
    )
    every = sorted(set(patterns(SCHEMA)))
    done = subprocess.run(["node", "-e", program, json.dumps(every)], capture_output=True, text=True, check=True)
    assert (len(every) > 20, done.stdout) == (True, "")
