"""The rows of a table of labels that were not stored unchanged, with their numbers and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import duckdb

MOST: Final = 100
"""Rows of each kind that are listed."""
ProblemKind: TypeAlias = Literal["missing", "invalid", "unknown", "repeated", "conflicting"]
"""`repeated`: differs from an earlier row of the table; `conflicting`: from the label that is stored."""


@dataclass(frozen=True, slots=True)
class LabelProblem:
    """A row, from 1, that was not stored unchanged."""

    row: int
    kind: ProblemKind
    key: str | None
    """Its `id` or `request_id`."""
    answer: str | None
    kept: str | None = None
    """The label that is kept."""
    first_row: int | None = None
    """The earlier row that has it."""


def label_problems(connection: duckdb.DuckDBPyConnection, *, replaced: bool) -> tuple[LabelProblem, ...]:
    """The problems in the tables `given`, `matched` and `compared`, in the order of their rows.

    `replaced`: labels that differ from the stored ones replaced them.
    """
    kinds: dict[ProblemKind, str] = {
        "missing": "SELECT place, key, answer, NULL, NULL FROM given WHERE answer IS NULL OR key IS NULL",
        "invalid": "SELECT m.place, g.key, m.given, NULL, NULL FROM matched m JOIN given g USING (place) "
        "WHERE m.answer IS NULL",
        "unknown": "SELECT place, key, answer, NULL, NULL FROM given ANTI JOIN matched USING (place) "
        "WHERE answer IS NOT NULL AND key IS NOT NULL",
        "repeated": "SELECT c.place, g.key, c.answer, c.first, c.first_place "
        "FROM compared c JOIN given g USING (place) WHERE c.number > 1 AND c.first <> c.answer",
        "conflicting": "SELECT c.place, g.key, c.answer, c.old, NULL FROM compared c JOIN given g USING (place) "
        f"WHERE c.number = 1 AND c.old <> c.answer AND {'false' if replaced else 'true'}",
    }
    problems = [
        LabelProblem(row, kind, key, _text(answer), _text(kept), first)
        for kind, query in kinds.items()
        for row, key, answer, kept, first in connection.execute(f"{query} ORDER BY 1 LIMIT {MOST}").fetchall()
    ]
    return tuple(sorted(problems, key=lambda problem: problem.row))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
