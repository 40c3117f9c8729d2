"""The layout of the tests: each mirrors a module of the package, or is a scenario; none uses private names."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.conftest import CHECKOUT

TESTS = CHECKOUT / "tests"
APART = {"golden", "integration", "rules", "scenarios"}
"""Folders whose tests are of more than one module."""
FILES = [f for f in sorted(TESTS.rglob("*.py")) if "expected" not in f.parts]


def test_each_file_mirrors_a_module() -> None:
    inner = [file.relative_to(TESTS) for file in FILES if file.name.startswith("test_")]
    mirrored = {f: (CHECKOUT / "mlspec" / f).with_name(f.name.removeprefix("test_")) for f in inner}
    assert [str(f) for f, module in mirrored.items() if f.parts[0] not in APART and not module.is_file()] == []


def test_no_private_name_of_the_package_is_used() -> None:
    assert {str(f.relative_to(TESTS)): names for f in FILES if (names := private_names(f))} == {}


def private_names(file: Path) -> list[str]:
    """The private names of the package that a file imports or uses."""
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
    return imported + used
