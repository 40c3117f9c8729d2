"""The validation rows of a trained model as tables: the confusion matrix, and the wrong predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlspec.learning.infer import logits
from mlspec.records.schema import Schema
from mlspec.runtime.predictor import softmax
from mlspec.tracking.tracker import TrainedModel

WRONG = 200
"""Maximum number of wrong predictions in the table, the most confident first."""


@dataclass(frozen=True)
class ValidationResults:
    """The labels, the index of the actual and of the predicted label of each row, and a table of the wrong rows."""

    labels: tuple[str, ...]
    actual: list[int]
    predicted: list[int]
    columns: list[str]
    wrong: list[list[object]]


def validation_results(trained: TrainedModel) -> ValidationResults | None:
    """The results of a classification; None of a regression."""
    labels = trained.schema.labels
    if not labels:
        return None
    rows = trained.valid
    chances = softmax(logits(trained.module, rows, trained.preprocess))
    predicted, shown = chances.argmax(1), _shown(trained.schema)
    wrong = sorted(np.flatnonzero(predicted != rows.targets), key=lambda row: -chances[row].max())[:WRONG]
    table: list[list[object]] = [
        [
            *(rows.table[name][int(row)].as_py() for name in shown),
            labels[rows.targets[row]],
            labels[predicted[row]],
            float(chances[row].max()),
        ]
        for row in wrong
    ]
    columns = [*shown, "actual", "predicted", "score"]
    return ValidationResults(labels, rows.targets.tolist(), predicted.tolist(), columns, table)


def _shown(schema: Schema) -> list[str]:
    return [name for name, column in schema.inputs.items() if column.type != "image"]
