"""Rows changed in one way: perturbed, with values of other rows, with a larger number, with unusual values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from mlspec.learning.prepare import input_descriptions
from mlspec.parts.test.perturbations import PerturbedInput, Row, perturbed
from mlspec.records.profile import Profile
from mlspec.records.schema import Schema
from mlspec.sections.test import Perturbation

LONG_TEXT = 20_000


class ChangedRows:
    """Changes of rows with the inputs of a schema. `schema` and `profile` are the contents of their files."""

    def __init__(self, schema: Mapping[str, object], profile: Mapping[str, object]) -> None:
        self._schema, self._profile = Schema.model_validate(schema), Profile.model_validate(profile)

    def perturbed(self, name: Perturbation, rows: Sequence[Row]) -> list[dict[str, object]]:
        """Rows with a small perturbation, which depends on the number of the row alone."""
        return [perturbed(name, row, number, self._inputs, 0, 1.0) for number, row in enumerate(rows)]

    def exchanged(self, column: str, rows: Sequence[Row]) -> list[dict[str, object]]:
        """Rows with the next other value that `column` has among them."""
        values = list(dict.fromkeys(row[column] for row in rows))
        following = dict(zip(values, [*values[1:], *values[:1]], strict=True))
        return [{**row, column: following[row[column]]} for row in rows]

    def larger(self, column: str, rows: Sequence[Row], step: float) -> list[dict[str, object]]:
        """Rows with a larger number in `column`, if present: by `step` standard deviations of the training split."""
        by = step * (self._profile.columns[column].std or 1.0)
        return [
            {**row, column: cast("float", row[column]) + by} if row[column] is not None else {**row} for row in rows
        ]

    def unusual(self, row: Row) -> dict[str, dict[str, object]]:
        """`row` with one unusual value in each variant, by what is unusual: values that a client may send."""
        return {
            f"{column}: {words}": {**row, column: value}
            for column in self._schema.inputs
            for words, value in self._unusual(column).items()
        }

    def _unusual(self, column: str) -> dict[str, object]:
        described, known = self._schema.inputs[column], self._profile.columns[column]
        missing: dict[str, object] = {"missing": None} if known.missing else {}
        match described.type:
            case "number":
                mean, spread = known.mean or 0.0, known.std or 1.0
                return {**missing, "very small": mean - 100 * spread, "very large": mean + 100 * spread}
            case "category":
                return {**missing, "unseen in training": "a value that is not in train"}
            case "text":
                long = "long " * (LONG_TEXT // 5)
                return {**missing, "empty": "", "very long": long, "without words": "?! \u2026 \U0001f600"}
            case "image":
                height, width = described.height or 1, described.width or 1
                channels = described.channels or 1
                return {"black": _plain(height, width, channels, 0), "white": _plain(height, width, channels, 255)}

    @property
    def _inputs(self) -> dict[str, PerturbedInput]:
        described = input_descriptions(self._schema)
        spreads = {name: self._profile.columns[name].std for name in described}
        return {
            name: cast("PerturbedInput", {**entry, "std": 1.0 if spreads[name] is None else spreads[name]})
            for name, entry in described.items()
        }


def _plain(height: int, width: int, channels: int, value: int) -> object:
    """An image of one colour as nested lists."""
    pixel: object = value if channels == 1 else [value] * channels
    return [[pixel] * width for _ in range(height)]
