"""The sources that start a program, once a session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.parts.sam.sam_environment import Translator, translator
from tests.scenarios.equivalence.canonical import CanonicalResource
from tests.scenarios.equivalence.from_serverless import packaged
from tests.scenarios.equivalence.from_terraform import Plan, planned
from tests.scenarios.equivalence.projects import (
    MUTATED_MODULES,
    SERVERLESS_MUTATIONS,
    SPECS,
    generated,
    mutated,
    terraform_modules,
)
from tests.shipping.fixtures import moto, quiet, target

__all__ = ["moto", "quiet", "target"]


@pytest.fixture(scope="session")
def sam_translator() -> Iterator[Translator]:
    """SAM's own translator."""
    with translator() as running:
        yield running


@pytest.fixture(scope="session")
def terraform_plan(moto: str, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The plan of the modules of all projects, and of every mutation of one."""
    folder = tmp_path_factory.mktemp("terraform")
    modules = terraform_modules(folder / "specs")
    return planned(modules | {name: mutate(modules) for name, mutate in MUTATED_MODULES.items()}, folder / "plan", moto)


@pytest.fixture(scope="session")
def serverless_packages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[CanonicalResource]]:
    """The services of all projects, as osls packages them."""
    folder = tmp_path_factory.mktemp("serverless")
    return packaged({name: generated(folder / "specs" / name, name, "serverless") for name in SPECS}, folder / "made")


@pytest.fixture(scope="session")
def serverless_faults(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[CanonicalResource]]:
    """The same with all faults planted."""
    folder = tmp_path_factory.mktemp("serverless-faults")
    made = {name: generated(folder / "specs" / name, name, "serverless") for name in SPECS}
    for name, file, text, other in SERVERLESS_MUTATIONS.values():
        made[name] = mutated(made[name], file, text, other)
    return packaged(made, folder / "made")


__all__ += ["SPECS"]
