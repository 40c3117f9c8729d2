"""The attacks of TextAttack as a section: a row for each recipe, and examples with the words that were changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from mlspec.records.attack_result import AttackResult, RecipeResult, SuccessfulAttack, SuccessfulAttacks
from mlspec.render.formatting import number, share
from mlspec.report.score_tables import Bar

SHOWN: Final = 10
"""Examples in the report: those with the fewest changed words."""
_TEXT: Final = 400
"""Characters of one text that are shown."""


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A part of a text, and whether it was changed."""

    text: str
    changed: bool


@dataclass(frozen=True, slots=True)
class AttackExample:
    """A row before and after an attack that succeeded; of several inputs those that were changed."""

    recipe: str
    label: str
    predicted: str
    before: tuple[TextPiece, ...]
    after: tuple[TextPiece, ...]


@dataclass(frozen=True, slots=True)
class AttackRow:
    """The figures of one recipe, as texts."""

    name: str
    accuracy: str
    under_attack: str
    passed: bool
    bar: Bar
    success_rate: str
    words_changed: str
    queries: str


@dataclass(frozen=True, slots=True)
class AttackView:
    """The section's content. `rows_tested` are the rows of the sample."""

    rows: tuple[AttackRow, ...]
    minimum: str
    rows_tested: int
    examples: tuple[AttackExample, ...]
    more: int


def view(result: AttackResult, successful: SuccessfulAttacks | None) -> AttackView:
    """The section's content; without the second file it has no examples."""
    attacks = sorted(successful.attacks if successful else (), key=lambda a: (a.words, a.row, a.recipe))
    return AttackView(
        rows=tuple(_row(name, entry, result.min_accuracy) for name, entry in result.recipes.items()),
        minimum="" if result.min_accuracy is None else share(result.min_accuracy),
        rows_tested=max((entry.rows for entry in result.recipes.values()), default=0),
        examples=tuple(_example(a) for a in attacks[:SHOWN]),
        more=max(0, len(attacks) - SHOWN),
    )


def _row(name: str, entry: RecipeResult, limit: float | None) -> AttackRow:
    value = entry.accuracy_under_attack
    passed = limit is None or value >= limit
    kind = "" if limit is None else "good" if passed else "bad"
    return AttackRow(
        name=name,
        accuracy=share(entry.accuracy),
        under_attack=share(value),
        passed=passed,
        bar=Bar(0.0, 100 * value, None if limit is None else 100 * limit, kind),
        success_rate=share(entry.success_rate),
        words_changed=share(entry.words_changed),
        queries=number(None if entry.queries is None else round(entry.queries)),
    )


def _example(attack: SuccessfulAttack) -> AttackExample:
    names = [name for name, text in attack.before.items() if text != attack.after.get(name, text)]
    before, after = (" / ".join(texts[name][:_TEXT] for name in names) for texts in (attack.before, attack.after))
    return AttackExample(attack.recipe, attack.label, attack.predicted, *_compared(before, after))


def _compared(before: str, after: str) -> tuple[tuple[TextPiece, ...], tuple[TextPiece, ...]]:
    """Both texts in pieces: whole words that differ are changed."""
    old, new = (re.findall(r"\s+|\S+", text) for text in (before, after))
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return (
        tuple(_pieces((old[a:b], tag) for tag, a, b, _, _ in codes)),
        tuple(_pieces((new[a:b], tag) for tag, _, _, a, b in codes)),
    )


def _pieces(parts: Iterator[tuple[list[str], str]]) -> Iterator[TextPiece]:
    return (TextPiece("".join(words), tag != "equal") for words, tag in parts if words)
