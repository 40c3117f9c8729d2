"""The layout of the tests: each mirrors a module of the package, or is a scenario; none uses private names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

TESTS = CHECKOUT / "tests"
APART = {"golden", "integration", "rules", "scenarios"}
"""Folders whose tests are of more than one module."""
FILES = [f for f in sorted(TESTS.rglob("*.py")) if "expected" not in f.parts]


@pytest.mark.parametrize(
    "file", [f for f in FILES if f.name.startswith("test_")], ids=lambda f: str(f.relative_to(TESTS))
)
def test_each_file_mirrors_a_module(file: Path) -> None:
    inner = file.relative_to(TESTS)
    module = (CHECKOUT / "mlspec" / inner).with_name(file.name.removeprefix("test_"))
    assert inner.parts[0] in APART or module.is_file(), f"there is no {module.relative_to(CHECKOUT)}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(TESTS)))
def test_no_private_name_of_the_package_is_used(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    modules = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlspec")
        for alias in node.names
    }
    imported = [full for full in modules.values() if full.rpartition(".")[2].startswith("_")]
    used = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
        if node.attr.startswith("_") and not node.attr.startswith("__")
    ]
    assert imported + used == []
