"""The sources that start a program, once for all workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.parts.sam.sam_environment import Translator, translator
from tests.scenarios.equivalence.from_serverless import Package, packaged
from tests.scenarios.equivalence.from_terraform import Plan, planned
from tests.scenarios.equivalence.projects import (
    MUTATED_MODULES,
    SPECS,
    generated,
    terraform_modules,
)
from tests.sharing import once_value, shared_folder
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

    def plan(folder: Path) -> Plan:
        modules = terraform_modules(folder / "specs")
        faulty = {name: mutate(modules) for name, mutate in MUTATED_MODULES.items()}
        return planned(modules | faulty, folder / "plan", moto)

    return once_value(shared_folder(tmp_path_factory, "equivalence-terraform"), plan)


@pytest.fixture(scope="session")
def serverless_packages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Package]]:
    """The services of all projects, as osls packages them."""

    def package(folder: Path) -> Mapping[str, list[Package]]:
        created = {name: generated(folder / "specs" / name, name, "serverless") for name in SPECS}
        return packaged(created, folder / "made")

    return once_value(shared_folder(tmp_path_factory, "equivalence-serverless"), package)


__all__ += ["SPECS"]
