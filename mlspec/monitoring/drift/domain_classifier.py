"""Whether live texts differ from those of the reference: a classifier that bets on each pair before it learns it.

Each live text is paired with one of the reference. On unchanged data the live one has the higher score in every second
pair, whatever the classifier has learned, so that its winnings are evidence. Texts are sequences of word hashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from pydantic import JsonValue

from mlspec.monitoring.baseline.reference import Hashes, word_hash, words
from mlspec.monitoring.drift.arrays import Floats, Integers

FEATURES: Final = 2**16
BATCH: Final = 16
"""Pairs between two updates of the classifier."""
_RATE: Final = 0.5


def text_hashes(text: str) -> Hashes:
    """The hashes of the words of a text, in order."""
    return np.fromiter((word_hash(word) for word in words(text)), dtype=np.uint32)


def features(text: Hashes) -> Integers:
    """Indices of the words and of the pairs of neighbouring words."""
    inner = text.astype(np.uint64)
    with np.errstate(over="ignore"):
        pairs = inner[:-1] * np.uint64(0x9E3779B1) ^ inner[1:] * np.uint64(0x85EBCA77)
        mixed = np.concatenate([inner, pairs]) * np.uint64(0x9E3779B97F4A7C15)
    return np.unique(mixed >> np.uint64(48)).astype(np.int64)


@dataclass
class OnlineLogistic:
    """Logistic regression on sparse binary features, one row at a time (AdaGrad)."""

    weights: Floats = field(default_factory=lambda: np.zeros(FEATURES))
    squares: Floats = field(default_factory=lambda: np.full(FEATURES, 1e-2))

    def score(self, row: Integers) -> float:
        """The log-odds that a row is a live one."""
        return float(self.weights[row].sum() / max(len(row), 1) ** 0.5)

    def learn(self, row: Integers, label: int) -> None:
        """One step."""
        if len(row):
            size = len(row) ** -0.5
            error = (label - 1 / (1 + np.exp(-np.clip(self.score(row), -30, 30)))) * size
            self.squares[row] += error**2
            self.weights[row] += _RATE * error / np.sqrt(self.squares[row])


@dataclass
class DomainClassifier:
    """Predict, bet, then learn. The classifier starts again when each text of the sample has been used once.

    Otherwise it would know the sample by heart, and every live text would look new. Results depend on the texts alone.
    """

    sample: Sequence[Hashes]
    """Texts of the reference that the model was not trained on."""
    seed: int = 0
    used: int = 0
    """Pairs so far."""
    turn: list[Integers] = field(default_factory=list)
    """The live texts since the classifier started again, as features: its state follows from them."""

    def __post_init__(self) -> None:
        self._known = [features(text) for text in self.sample]
        self._order = np.empty(0, dtype=np.int64)
        self._model = OnlineLogistic()
        self._begin()

    @property
    def usable(self) -> bool:
        """Whether the sample is large enough to learn from."""
        return len(self._known) >= BATCH

    def values(self, texts: Sequence[Hashes | None]) -> Floats:
        """1 where the live text has the higher score of its pair, 0 where it has the lower one; NaN without a text."""
        if not self.usable:
            return np.full(len(texts), np.nan)
        return np.array([np.nan if text is None else self._pair(features(text)) for text in texts], dtype=np.float64)

    def to_json(self) -> dict[str, JsonValue]:
        """The texts of this turn: with them the classifier is learned again."""
        return {"used": self.used, "turn": [row.tolist() for row in self.turn]}

    def restore(self, used: int, turn: Sequence[Sequence[int]]) -> None:
        """Resume from `to_json`."""
        self.used, self.turn = used - len(turn), []
        self._begin()
        for row in turn:
            self._pair(np.array(row, dtype=np.int64))

    def _pair(self, live: Integers) -> float:
        place = len(self.turn)
        score = self._model.score(live) - self._model.score(self._known[self._order[place]])
        self.turn.append(live)
        self.used += 1
        if (place + 1) % BATCH == 0:
            self._learn(place + 1 - BATCH)
        if place + 1 == len(self._known):
            self.turn = []
            self._begin()
        return float(np.sign(score) + 1) / 2

    def _learn(self, start: int) -> None:
        for place in range(start, start + BATCH):
            self._model.learn(self.turn[place], 1)
            self._model.learn(self._known[self._order[place]], 0)

    def _begin(self) -> None:
        self._model = OnlineLogistic()
        number = self.used // max(len(self._known), 1)
        self._order = np.random.default_rng([self.seed, number]).permutation(len(self._known)).astype(np.int64)
