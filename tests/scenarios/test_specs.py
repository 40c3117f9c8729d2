"""The specs in `specs/` and of the starters: each builds, and satisfies the JSON Schema in an independent validator."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from mlspec.compiler import compile_project
from mlspec.parts.all_parts import PARTS
from mlspec.spec.json_schema import json_schema, plain_schema
from mlspec.spec.key_reference import ANY, keys
from mlspec.starters import STARTERS, contents
from tests.conftest import CHECKOUT

LEFT_OUT: dict[str, str] = {
    "data.sha256 data.deps data.collected data.target.values data.target.level data.split.group data.split.column": "other sources",
    "data.format.*": "a file that is written as usual",
    "data.inputs.NAME.*": "images; the full spec names the type alone",
    "data.checks.*": "one check of each kind is shown",
    "model.*": "keys of the other model types, and of a model trained from scratch",
    "bucket.name bucket.region bucket.kms_key": "those of the remote and of the registry, and a key of one's own",
    "train.optimizer": "all keys have defaults",
    "train.checkpoint.every_steps": "excluded by `every`",
    "track.dagshub track.mlflow.username track.mlflow.password": "another server, and another way to log in",
    "track.wandb.* track.mlflow.experiment": "an account of one's own",
    "evaluate.accelerator": "taken from `train`",
    "export.sign": "needs a key: docs/howto/supply-chain.md",
    "test.data.max_shared test.invariance.columns test.pytest": "the defaults are meant to be kept",
    "test.direction": "needs an input that is a number",
    "package.zip": "excluded by the image",
    "package.docker.* package.requirements registry.ecr.* deploy.lambda.*": "the account and the network of one's own",
    "deploy.rollout.abort_if.*": "other bounds; two are shown",
    "deploy.terraform deploy.serverless": "all keys have defaults",
    "ci.github.*": "a repository that is set up in another way",
    "monitor.log monitor.retrain": "all keys have defaults",
    "monitor.elasticsearch.*": "names that are derived, and keys that `monitor.log` replaces",
    "monitor.prometheus.*": "servers of one's own",
    "monitor.drift.* monitor.quality.slices.NAME.where monitor.alerts.*": "more of what is shown",
    "monitor.notify": "addresses of one's own: docs/howto/monitoring.md",
    "orchestrate.*.schedule orchestrate.*.push": "shown for Dagster",
    "orchestrate.*.repository orchestrate.*.branch": "shown for Prefect",
}  # fmt: skip
"""Keys without a default that the full spec leaves out, each with the reason."""

SPECS = sorted((CHECKOUT / "specs").rglob("mlproject.yaml"))


def names(spec: Path) -> str:
    return spec.relative_to(CHECKOUT / "specs").as_posix()


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json_schema(PARTS))


@pytest.mark.parametrize("spec", SPECS, ids=names)
def test_it_builds(spec: Path) -> None:
    build = compile_project(spec)
    assert build.files
    assert list(build.warnings) == []


def test_every_environment_of_the_full_spec_builds() -> None:
    for environment in ("staging", "prod"):
        assert compile_project(CHECKOUT / "specs" / "full" / "mlproject.yaml", environment).files


def test_the_full_spec_names_every_section() -> None:
    text = (CHECKOUT / "specs" / "full" / "mlproject.yaml").read_text(encoding="utf-8")
    sections = {name for part in PARTS for name in part.SECTIONS}
    assert sections <= set(YAML(typ="safe").load(text))


def test_the_full_spec_leaves_out_only_keys_with_a_default_or_a_reason() -> None:
    spec = YAML(typ="safe").load((CHECKOUT / "specs" / "full" / "mlproject.yaml").read_text(encoding="utf-8"))
    every = keys(plain_schema(PARTS))
    missing = {key.path for key in every if not is_set(spec, key.path)}
    highest = [key for key in every if key.path in missing and key.path[:-1] not in missing]
    left = {key.dotted for key in highest if not key.default}
    patterns = " ".join(LEFT_OUT).split()
    assert {name for name in left if not any(fnmatchcase(name, pattern) for pattern in patterns)} == set()
    assert {pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in left)} == set()


def is_set(node: object, path: Sequence[str]) -> bool:
    """Whether a spec has the key; a step that is free matches each."""
    if not path:
        return True
    if isinstance(node, list):
        return any(is_set(inner, path) for inner in node)
    if not isinstance(node, dict):
        return False
    within = node.values() if path[0] == ANY else [node[path[0]]] if path[0] in node else []
    return any(is_set(inner, path[1:]) for inner in within)


@pytest.mark.parametrize("spec", SPECS, ids=names)
def test_it_satisfies_the_schema(spec: Path, validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(YAML(typ="safe").load(spec.read_text(encoding="utf-8")))


@pytest.mark.parametrize("starter", STARTERS)
def test_a_starter_satisfies_the_schema(starter: str, validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(YAML(typ="safe").load(contents(starter, "x")["mlproject.yaml"].decode()))
