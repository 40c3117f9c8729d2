"""What a process keeps for its whole life says nothing of the machine: that changes while the process runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.conftest import CHECKOUT

MACHINE = frozenset({"environ", "getenv", "which", "subprocess", "home", "glob", "probe", "connected", "programs"})
"""Names by which a function finds out what is installed or set."""


def kept(text: str) -> Iterator[str]:
    """The functions of a module that are cached for the process and read the state of the machine."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef) or not any("cache" in _names(one) for one in node.decorator_list):
            continue
        if MACHINE & {name for statement in node.body for name in _names(statement)}:
            yield node.name


def _names(node: ast.AST) -> set[str]:
    inner = list(ast.walk(node))
    names = {each.id for each in inner if isinstance(each, ast.Name)}
    names |= {each.attr for each in inner if isinstance(each, ast.Attribute)}
    return {"cache" if name == "lru_cache" else name for name in names}


def test_no_function_keeps_the_state_of_the_machine() -> None:
    files = sorted((CHECKOUT / "mlspec").rglob("*.py"))
    assert [f"{file.name}:{name}" for file in files for name in kept(file.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    "text",
    [
        "@functools.cache\ndef path(name):\n    return shutil.which(name)\n",
        "@lru_cache(maxsize=2)\ndef level():\n    return os.environ['LEVEL']\n",
        "@cache\ndef engine(need):\n    return probe(need)\n",
    ],
)
def test_such_a_function_is_noticed(text: str) -> None:
    assert list(kept(text))


def test_others_are_not() -> None:
    assert not list(kept("def path(name):\n    return shutil.which(name)\n@cache\ndef double(n):\n    return 2 * n\n"))
