"""A model small enough to read, behind the real service: it says `yes` for text with a `y` in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlspec.runtime.contract import Contract
from mlspec.runtime.service import Service


class Rows:
    """A model that computes with the rows as they are."""

    def prepare(self, rows: Sequence[Mapping[str, object]]) -> Sequence[tuple[int, Any]]:
        return [(1, row) for row in rows]


class Yes(Rows):
    def compute(self, prepared: Sequence[Any], alone: bool = True) -> Sequence[Mapping[str, Any]]:
        return [self._one(row) for row in prepared]

    def _one(self, row: Mapping[str, object]) -> Mapping[str, Any]:
        if row["sentence"] == "fail":
            raise RuntimeError("the graph is damaged")
        p = 0.75 if "y" in str(row["sentence"]) else 0.25
        label = "yes" if p > 0.5 else "no"
        return {"label": label, "score": max(p, 1 - p), "probabilities": {"no": 1 - p, "yes": p}}


def service() -> Service:
    return Service(Yes(), Contract("cola", "7", {"sentence": "text", "age": "number"}, ("no", "yes")))


ROW = {"sentence": "why", "age": 3}
YES = {"label": "yes", "score": 0.75, "probabilities": {"no": 0.25, "yes": 0.75}}
