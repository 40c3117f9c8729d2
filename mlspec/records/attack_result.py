"""How many predictions hold when TextAttack searches for changes of a text that are predicted otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from mlspec.records.record_file import Finite, Measured, Record, Value


class RecipeResult(Value):
    """The result of one attack."""

    rows: int = Field(description="Rows of the sample")
    attacked: int = Field(description="Rows that are predicted correctly, and therefore attacked")
    accuracy: Finite = Field(description="Accuracy on the sample, 0..1")
    accuracy_under_attack: Finite = Field(
        description="Share of the sample that is predicted correctly, and whose attack failed, 0..1"
    )
    success_rate: Measured = Field(description="Share of attacks that succeeded, 0..1; null without an attack")
    words_changed: Measured = Field(
        description="Mean share of the words that a successful attack changed, 0..1; null where none succeeded"
    )
    queries: Measured = Field(description="Mean predictions for an attack; null without an attack")


class AttackResult(Record):
    """The results of the attacks of TextAttack."""

    FILE: ClassVar[str] = "metrics/textattack.json"
    STAGE: ClassVar[str] = "textattack"

    passed: bool = Field(description="Whether each accuracy under attack reaches the minimum")
    min_accuracy: Measured = Field(description="The minimum, from the spec; null without one")
    recipes: Mapping[str, RecipeResult] = Field({}, description="By name")


class SuccessfulAttack(Value):
    """A test row, and a change of its texts that is predicted otherwise."""

    recipe: str = Field(description="Name of the attack")
    row: int = Field(description="Row of data/test.parquet, from 0")
    label: str = Field(description="The correct label, which was predicted")
    predicted: str = Field(description="The label that is predicted after the change")
    before: Mapping[str, str] = Field(description="The texts of the row, by input")
    after: Mapping[str, str] = Field(description="The same after the change")
    words: int = Field(description="Words that were changed")
    queries: int = Field(description="Predictions that the attack needed")


class SuccessfulAttacks(Record):
    """Every attack that succeeded."""

    FILE: ClassVar[str] = "textattack/attacks.json"
    STAGE: ClassVar[str] = "textattack"

    textattack: str = Field(description="Version of TextAttack")
    stop_words: str = Field(description="Origin of the words that no attack changes")
    attacks: tuple[SuccessfulAttack, ...] = Field((), description="In the order of the recipes and the rows")
