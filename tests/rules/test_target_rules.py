"""Which target stages ship to is asked in one place: no module compares the name of a target, or has a table by it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from mlspec.target_facts import TARGETS
from tests.conftest import CHECKOUT

PACKAGE = CHECKOUT / "mlspec"
OTHER_NAMES = {
    "run/capabilities.py": "the extras of mlspec, whose packages each stage needs",
    "parts/terraform/modules.py": "the backend of Terraform's state",
}
"""Modules that compare another thing of the same name."""
REHEARSAL = {"cli/local_target.py", "shipping/target_choice.py", "stage_context.py"}
"""Modules that may ask whether the target is a rehearsal: its commands, and what a deployment does differently in one."""


def comparisons(text: str) -> Iterator[int]:
    """The lines of a module that compare a value with the name of a target, or look it up in a table of these names."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Compare():
                sides: list[ast.AST] = [node.left, *node.comparators]
            case ast.Dict():
                sides = [key for key in node.keys if key is not None]
            case ast.MatchValue():
                sides = [node.value]
            case _:
                continue
        if any(_named(inner) for side in sides for inner in ast.walk(side)):
            yield node.lineno


def _named(node: ast.AST) -> bool:
    """Whether it is the name of a target, or the facts of one: `AWS`, `target_facts.AWS`, `LOCAL.name`."""
    match node:
        case ast.Constant(value=str(value)):
            return value in TARGETS
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in ("AWS", "LOCAL")
        case _:
            return False


def asks_for_a_rehearsal(text: str) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr == "rehearsal" for node in ast.walk(ast.parse(text)))


def modules() -> dict[str, str]:
    return {f.relative_to(PACKAGE).as_posix(): f.read_text(encoding="utf-8") for f in sorted(PACKAGE.rglob("*.py"))}


def test_no_module_compares_the_name_of_a_target() -> None:
    """A third target is an entry of the table and its own code, not an edit in each place that asks."""
    texts = modules()
    places = {f"{name}:{line}" for name, text in texts.items() for line in comparisons(text)}
    outside = sorted(p for p in places if p.partition(":")[0] not in {"target_facts.py", *OTHER_NAMES})
    assert outside == [], "add a fact to mlspec/target_facts.py and ask for that"
    assert {name for name in OTHER_NAMES if list(comparisons(texts[name]))} == OTHER_NAMES.keys()


def test_only_the_choice_of_the_target_asks_for_a_rehearsal() -> None:
    assert {name for name, text in modules().items() if asks_for_a_rehearsal(text)} == REHEARSAL


def test_the_code_has_no_other_table_of_targets() -> None:
    """The two names stand together as a type once."""
    types = [name for name, text in modules().items() if 'Literal["aws", "local"]' in text]
    assert types == ["target_facts.py"]


@pytest.mark.parametrize(
    "text",
    [
        'a = target.kind == "local"',
        'if target not in ("aws",): pass',
        "b = context.target is LOCAL.name",
        "c = facts is target_facts.AWS",
        'match target:\n    case "local": pass',
        'd = {"aws": 1, "local": 2}[target]',
    ],
)
def test_a_comparison_is_detected(text: str) -> None:
    assert list(comparisons(text))


def test_a_fact_is_not_a_comparison() -> None:
    assert not list(comparisons("if target.facts.one_project and budget == 3: pass"))


def test_the_rules_read_the_package() -> None:
    assert asks_for_a_rehearsal("if context.facts.rehearsal: pass")
    assert len(modules()) > 100
