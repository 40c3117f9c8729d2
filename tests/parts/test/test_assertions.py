"""The assertions of the generated tests: each has a message, or compares values that pytest shows, and is listed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PROJECTS = Path(__file__).parents[2] / "golden" / "projects"
FILES = sorted(PROJECTS.glob("*/expected/tests/*.py"))
SHOWN = frozenset(
    {
        "inputs == {name: column['type'] for name, column in schema['inputs'].items()}",
        "json.loads((bundle / 'profile.json').read_text(encoding='utf-8')) == profile",
        "len(np.unique(made['input_ids'])) > 1",
        "len(predictions) == len(rows)",
        "list(predictor.signature.labels) == schema['target'].get('labels', [])",
        "list(served) == list(evaluated)",
        "made['input_ids'].dtype == made['attention_mask'].dtype == np.int64",
        "made['input_ids'].shape == made['attention_mask'].shape",
        "predictor.predict([]) == []",
        "schema['target']['column'] == TARGET",
        "schema['target']['labels'] == LABELS",
        "set(np.unique(made['attention_mask'])) <= {0, 1}",
        "shares == pytest.approx(profile['columns'][TARGET]['shares'])",
        "tuple(values.shape) == (len(rows), len(schema['target']['labels']))",
        "values.numel() == len(rows)",
        "{name: column['type'] for name, column in schema['inputs'].items()} == INPUTS",
        "{name: table.num_rows for name, table in splits.items()} == profile['splits']",
    }
)
"""Comparisons of things that are no rows: pytest shows both sides."""


def bare(file: Path) -> set[str]:
    """The conditions of assertions without a message."""
    asserts = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Assert)]
    return {ast.unparse(node.test) for node in asserts if node.msg is None}


@pytest.mark.parametrize("file", FILES, ids=lambda file: "-".join(file.parts[-4::3]))
def test_an_assertion_without_a_message_compares_what_pytest_shows(file: Path) -> None:
    assert bare(file) <= SHOWN


def test_the_list_holds_nothing_else() -> None:
    assert {condition for file in FILES for condition in bare(file)} == SHOWN
