"""Loads a bundle as MLflow's `python_function`. Copied into the model's folder, where only `mlspec.runtime` is."""

from __future__ import annotations

from typing import Any

from mlspec.runtime import Predictor
from mlspec.runtime.predictor import Prediction


class BundleModel:
    """A bundle with MLflow's interface."""

    def __init__(self, folder: str) -> None:
        self._predictor = Predictor(folder)

    def predict(self, model_input: Any, params: object = None) -> Any:  # noqa: ARG002 - MLflow's
        """A table with a row for each row of the table `model_input`, which has the columns of the signature."""
        rows = [{name: _plain(value) for name, value in row.items()} for row in model_input.to_dict("records")]
        return type(model_input)([_flat(answer) for answer in self._predictor.predict(rows)], index=model_input.index)


def _load_pyfunc(path: str) -> BundleModel:
    """Called by MLflow with the folder of the bundle."""
    return BundleModel(path)


def _plain(value: Any) -> Any:
    """The value as in a request: a Python number, and None for a missing one."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and value != value else value


def _flat(answer: Prediction) -> dict[str, object]:
    values: dict[str, object] = dict(answer)
    chances = values.pop("probabilities", None)
    each = chances.items() if isinstance(chances, dict) else ()
    return {**values, **{f"probability {label}": chance for label, chance in each}}
