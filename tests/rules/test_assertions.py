"""Every test asserts something that can fail, itself or in a function of the tests that it calls."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import CHECKOUT

TESTS = CHECKOUT / "tests"
FILES = sorted(file for file in TESTS.rglob("test_*.py") if "expected" not in file.parts)
Function = ast.FunctionDef | ast.AsyncFunctionDef
ASSERTING = frozenset({"raises", "warns", "fail", "validate", "check_schema"})
"""Functions that fail a test themselves: those of pytest, and a validator of JSON Schema."""


@functools.cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def functions(file: Path) -> Iterator[Function]:
    for node in ast.walk(parsed(file)):
        if isinstance(node, Function):
            yield node


def called(function: Function) -> set[str]:
    """The names that it calls: `check` of `check()`, `pytest.raises` of `pytest.raises()`."""
    return {ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}


def asserts(function: Function) -> bool:
    own = any(isinstance(node, ast.Assert) for node in ast.walk(function))
    lasts = {name.rpartition(".")[2] for name in called(function)}
    return own or bool(lasts & ASSERTING) or any(name.startswith("assert_") for name in lasts)


@functools.cache
def asserting(file: Path) -> set[str]:
    """The functions of a file that assert, themselves or through others of it."""
    every = list(functions(file))
    known = {function.name for function in every if asserts(function)}
    while more := {f.name for f in every if f.name not in known and called(f) & known}:
        known |= more
    return known


def imported(file: Path) -> set[str]:
    """The functions and classes that a file has from other files of the tests, if these assert."""
    names: set[str] = set()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
            other = TESTS.parent / f"{str(node.module).replace('.', '/')}.py"
            known = asserting(other) if other.is_file() else set()
            names |= {alias.asname or alias.name for alias in node.names if alias.name in known}
    return names


def without_assertion(file: Path) -> list[str]:
    """The tests of a file that cannot fail."""
    tests = [function for function in functions(file) if function.name.startswith("test_")]
    helpers = asserting(file) | imported(file)
    return [f"{file.relative_to(TESTS)}: {f.name}" for f in tests if not asserts(f) and not called(f) & helpers]


def test_each_test_asserts_something() -> None:
    assert [fault for file in FILES for fault in without_assertion(file)] == []


def test_a_test_without_an_assertion_is_seen() -> None:
    (function,) = [f for f in ast.parse("def test_it():\n    run()\n").body if isinstance(f, Function)]
    assert not asserts(function)
    assert called(function) == {"run"}
