"""Every refusal of the stage `data` either has one remedy, and is listed here, or has a code that `mlspec explain` knows."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlspec.explain import explanations
from tests.conftest import CHECKOUT

PACKAGE = CHECKOUT / "mlspec" / "parts" / "data"
RAISES = ("StageError", "failure", "Failure")

ONE_REMEDY: dict[str, int] = {
    "collected._read": 1,
    "collected._typed": 3,
    "collected._with_positions": 1,
    "checks._rows": 3,
    "checks._column": 2,
    "class_counts.several": 2,
    "download.download": 1,
    "download._attempt": 2,
    "download._raise_http_error": 1,
    "fetch.bring": 1,
    "file_contents.contents": 3,
    "folders._begins_as_image": 1,
    "folders._refuse_unread": 3,
    "folders._classes": 1,
    "folders._refuse_flat": 2,
    "images._values": 1,
    "jsonl.read": 1,
    "jsonl._odd": 1,
    "jsonl._refuse_single": 1,
    "labels._unknown": 2,
    "metric_checks.measurable": 1,
    "raw_rows.failure": 1,
    "raw_rows.need": 1,
    "raw_rows.joined": 1,
    "raw_rows._named": 1,
    "read_source.read": 1,
    "read_source._file": 2,
    "read_source._table": 1,
    "s3.folder": 1,
    "s3._put": 1,
    "s3._faults": 2,
    "separated.read": 2,
    "separated._unread": 1,
    "sniff.refuse_placeholders": 4,
    "source_files.files": 1,
    "source_files._below": 1,
    "source_files._unreadable": 1,
    "source_files._target": 3,
    "source_files._refuse_unpulled": 1,
    "source_files._refuse_name": 1,
    "split.divided": 1,
    "split._by_column": 1,
    "split._by_share": 1,
    "typed_rows._number": 1,
    "separated._delimited": 1,
    "typed_rows._unreadable": 1,
    "typed_rows._target_number": 1,
    "unlabelled_rows.labelled": 1,
    "unusable_types.refuse_unlabelled": 1,
    "unusable_types.refuse_unnamed": 1,
    "value_limits.beyond": 2,
    "work.main": 1,
}
"""Functions with refusals without a code: what is wrong there has no second reading. A new one needs a code, or a place
in this list if there is but one thing to do about it."""


def uncoded(file: Path) -> Iterator[str]:
    """The function of each refusal without a code."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        for inner in ast.walk(node):
            if isinstance(inner, ast.FunctionDef):
                for call in calls(inner):
                    if not any(word.arg == "code" for word in call.keywords):
                        yield f"{file.stem}.{inner.name}"


def calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    """The refusals in a function, without those of functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef):
            continue
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in RAISES:
            yield node
        waiting += ast.iter_child_nodes(node)


def test_what_has_more_than_one_reading_has_a_code() -> None:
    result = Counter(name for file in sorted(PACKAGE.glob("*.py")) for name in uncoded(file))
    assert dict(result) == ONE_REMEDY


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("*.py")), ids=lambda file: file.stem)
def test_a_refusal_that_offers_two_edits_has_a_code(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in RAISES:
            coded = any(word.arg == "code" for word in node.keywords)
            helps = " ".join(ast.unparse(word.value) for word in node.keywords if word.arg == "help")
            assert coded or helps.count("`data: ") < 2, ast.unparse(node)


def test_the_codes_of_the_stage_are_explained() -> None:
    known = explanations()
    for file in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in RAISES:
                codes = [word.value for word in node.keywords if word.arg == "code"]
                every = [c.value for code in codes for c in ast.walk(code) if isinstance(c, ast.Constant) and c.value]
                assert {str(code) for code in every} <= set(known), ast.unparse(node)
