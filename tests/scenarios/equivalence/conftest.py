"""The sources that start a program, once a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.parts.sam.sam_environment import Translator, translator
from tests.scenarios.equivalence.from_terraform import Plan, planned
from tests.scenarios.equivalence.projects import MUTATED_MODULES, SPECS, terraform_modules
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


__all__ += ["SPECS"]
