"""The declared sections of each stage are those that its code reads: its body, and all that the body imports."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from mlspec.parts.all_parts import PARTS
from mlspec.parts.stage_sections import ACCOUNT, READ, readers
from mlspec.spec.spec_model import SpecModel

PROGRAMS: Final = {stage: program.partition(":")[0] for part in PARTS for stage, program in part.PROGRAMS.items()}
NAMES: Final = {model.__name__: name for part in PARTS for name, model in part.SECTIONS.items()} | {
    "ModelSpec": "model",
    "ProjectInfo": "project",
}
BY_CONFIG: Final = {"data": {"train", "sweep"}, "train": {"project", "sweep"}}
"""Read as plain values (`job.config`): which metrics a training watches, and the run's name."""


@cache
def imported(module: str) -> tuple[frozenset[str], frozenset[str]]:
    """The modules of the package that a module imports, and the names of the sections that it asks for."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    typing = {id(one) for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
              for one in ast.walk(node)}  # fmt: skip
    modules = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and id(node) not in typing and (node.module or "").startswith("mlspec")
        for name in _modules(node)
    }
    return frozenset(modules), frozenset(_sections(tree))


def _modules(node: ast.ImportFrom) -> Iterator[str]:
    assert node.module
    for alias in node.names:
        below = f"{node.module}.{alias.name}"
        package = importlib.util.find_spec(node.module)
        is_package = package is not None and package.submodule_search_locations is not None
        yield below if is_package and importlib.util.find_spec(below) else node.module


def _sections(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "need"):
            names = [one.id for one in node.args if isinstance(one, ast.Name)]
            yield from (NAMES[name] for name in names if name in NAMES)


def read(module: str) -> set[str]:
    """The sections that a module and all that it imports ask for."""
    seen: set[str] = set()
    left, sections = [module], set()
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            more, own = imported(name)
            left += more
            sections |= own
    return sections


@pytest.mark.parametrize("stage", PROGRAMS)
def test_the_declared_sections_are_those_that_the_code_reads(stage: str) -> None:
    models = {name: model for part in PARTS for name, model in part.SECTIONS.items()}
    never = {n for n, m in models.items() if isinstance(m, type) and issubclass(m, SpecModel) and not m.READ_BY_STAGES}
    if stage in ACCOUNT:  # which reads `conf/account.yaml` too
        never = set()
    assert READ[stage] == (read(PROGRAMS[stage]) - never) | BY_CONFIG.get(stage, set())


def test_who_reads_a_section() -> None:
    assert PROGRAMS.keys() == READ.keys()
    assert readers("track") == ("train", "track")
