"""An optional part: a build imports only the parts that its spec uses, and finds in them what it found before."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.parts.all_parts import PARTS
from mlspec.parts.optional_part import OptionalPart, used
from tests.conftest import CHECKOUT

OPTIONAL = [part for part in PARTS if isinstance(part, OptionalPart)]
OWNED = ("aws", "cloudformation", "costs", "elastic", "monitoring", "serverless", "terraform", "tracking")
"""Packages that only optional parts need."""


def imported(spec: Path, folder: Path) -> set[str]:
    """The modules of mlspec that the first build of a copy of the project imports."""
    shutil.copytree(spec.parent, folder)
    probe = "import sys; from mlspec.cli.app import main; main(['build']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name for name in done.stdout.split() if name.startswith("mlspec.")}


@pytest.mark.parametrize("name", ["minimal", "regression"])
def test_a_build_imports_no_part_that_the_spec_does_not_use(name: str, tmp_path: Path) -> None:
    spec = CHECKOUT / "specs" / name / "mlproject.yaml"
    project = compile_project(spec).project
    modules = imported(spec, tmp_path / "project")
    unused = [part.NAME for part in OPTIONAL if not part.is_used(project)]
    assert {"dagster", "prefect", "airflow", "terraform", "sam", "serverless", "ci", "budget"} <= set(unused)
    assert [m for m in modules if any(m.startswith(f"mlspec.parts.{part}.") for part in unused)] == []
    assert "mlspec.parts.data.part" in modules


def test_the_smallest_build_imports_no_platform(tmp_path: Path) -> None:
    modules = imported(CHECKOUT / "specs" / "minimal" / "mlproject.yaml", tmp_path / "project")
    assert [name for name in modules if name.split(".")[1] in OWNED] == []


@pytest.mark.parametrize("part", OPTIONAL, ids=lambda part: part.NAME)
def test_a_registration_names_the_module_of_its_part(part: OptionalPart) -> None:
    module = importlib.import_module(f"mlspec.parts.{part.NAME}.part")
    assert (part.module, module.NAME) == (module, part.NAME)
    assert dict(part.PROGRAMS) == dict(module.PROGRAMS)
    assert not hasattr(module, "SECTIONS"), "the registration has them"


@pytest.mark.parametrize("part", OPTIONAL, ids=lambda part: part.NAME)
@pytest.mark.parametrize("name", ["minimal", "regression", "full", "custom"])
def test_a_part_that_is_not_used_has_nothing_to_say(part: OptionalPart, name: str) -> None:
    """What decides whether a module is imported agrees with what the module itself decides."""
    project = compile_project(CHECKOUT / "specs" / name / "mlproject.yaml").project
    if not part.is_used(project):
        module = part.module
        assert list(module.check(project)) == []
        assert list(module.stages(project)) == []
        assert list(module.artifacts(project, ())) == []


def test_all_optional_parts_but_two_tools_are_used_by_the_full_spec() -> None:
    project = compile_project(CHECKOUT / "specs" / "full" / "mlproject.yaml").project
    assert {part.NAME for part in PARTS} - {part.NAME for part in used(PARTS, project)} == {"sam", "serverless"}
