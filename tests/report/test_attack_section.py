"""The section of attacks: figures with the minimum, and examples with the words that were changed."""

from __future__ import annotations

from pathlib import Path

from mlspec import report
from mlspec.records.attack_result import AttackResult, RecipeResult, SuccessfulAttack, SuccessfulAttacks
from mlspec.report.attack_section import SHOWN, TextPiece, view
from tests.run import lines

RESULT = AttackResult(
    passed=False,
    min_accuracy=0.5,
    recipes={
        "pruthi": RecipeResult(
            rows=9,
            attacked=8,
            accuracy=8 / 9,
            accuracy_under_attack=1 / 3,
            success_rate=5 / 8,
            words_changed=0.125,
            queries=30.6,
        )
    },
)


def attacked(words: int, before: dict[str, str], after: dict[str, str]) -> SuccessfulAttack:
    return SuccessfulAttack(
        recipe="pruthi", row=words, label="glad", predicted="sad", before=before, after=after, words=words, queries=1
    )


def test_figures_and_the_minimum() -> None:
    (row,) = view(RESULT, None).rows
    assert (row.accuracy, row.under_attack, row.success_rate) == ("88.9%", "33.3%", "62.5%")
    assert (row.passed, row.bar.mark, row.bar.kind, row.queries) == (False, 50.0, "bad", "31")
    free = view(RESULT.model_copy(update={"min_accuracy": None}), None)
    assert (free.minimum, free.rows[0].passed, free.rows[0].bar.mark) == ("", True, None)


def test_changed_words_are_marked_and_unchanged_inputs_left_out() -> None:
    pair = {"title": "hello", "text": "a good  day"}
    result = view(
        RESULT,
        SuccessfulAttacks(textattack="", stop_words="", attacks=(attacked(1, pair, pair | {"text": "a godo  day"}),)),
    )
    (example,) = result.examples
    assert example.before == (TextPiece("a ", False), TextPiece("good", True), TextPiece("  day", False))
    assert example.after[1] == TextPiece("godo", True)


def test_the_examples_with_the_fewest_changes_are_shown() -> None:
    attacks = tuple(attacked(words, {"t": "x y"}, {"t": "z y"}) for words in range(SHOWN + 5, 0, -1))
    result = view(RESULT, SuccessfulAttacks(textattack="", stop_words="", attacks=attacks))
    assert len(result.examples) == SHOWN
    assert result.more == 5


def test_the_page_has_them(tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    page = report.write(line.project, line.plan, line.outcomes, line.root).read_text(encoding="utf-8")
    assert "TextAttack changes letters of 100 test rows" in page
    assert "The <del>weather</del> has been <del>lovely</del> all week." in page
    assert "2 more are in <code>artifacts/textattack/attacks.json</code>" in page
