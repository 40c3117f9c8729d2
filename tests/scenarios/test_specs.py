"""The specs in `specs/` and of the starters: each builds, and satisfies the JSON Schema in an independent validator."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from mlspec.compiler import compile_project
from mlspec.parts.all_parts import PARTS
from mlspec.spec.json_schema import json_schema
from mlspec.starters import STARTERS, contents
from tests.conftest import CHECKOUT

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


@pytest.mark.parametrize("spec", SPECS, ids=names)
def test_it_satisfies_the_schema(spec: Path, validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(YAML(typ="safe").load(spec.read_text(encoding="utf-8")))


@pytest.mark.parametrize("starter", STARTERS)
def test_a_starter_satisfies_the_schema(starter: str, validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(YAML(typ="safe").load(contents(starter, "x")["mlproject.yaml"].decode()))
