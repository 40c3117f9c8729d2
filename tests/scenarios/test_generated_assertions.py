"""The assertions of the generated tests: each has a message, which names the rows, values or shapes that are wrong."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

PROJECTS = CHECKOUT / "tests" / "golden" / "projects"
FILES = sorted(PROJECTS.glob("*/expected/tests/*.py"))


def bare(file: Path) -> set[str]:
    """The conditions of assertions without a message."""
    asserts = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Assert)]
    return {ast.unparse(node.test) for node in asserts if node.msg is None}


@pytest.mark.parametrize("file", FILES, ids=lambda file: "-".join(file.parts[-4::3]))
def test_each_assertion_has_a_message(file: Path) -> None:
    assert bare(file) == set()
