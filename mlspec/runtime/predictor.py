"""A bundle to predictions: preprocessing, the ONNX session, and postprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias, TypedDict, final

import numpy as np
import onnxruntime

from mlspec.runtime import signature
from mlspec.runtime.cores import cores
from mlspec.runtime.preprocess import load
from mlspec.runtime.preprocess.base import Array, Feature, Row
from mlspec.runtime.preprocess.bundle_errors import BundleError

BATCH = 32
"""Rows per batch; on a CPU larger batches only add padding."""


@final
class ClassPrediction(TypedDict):
    """The prediction of a classification."""

    label: str
    score: float
    probabilities: dict[str, float]


@final
class ValuePrediction(TypedDict):
    """The prediction of a regression."""

    value: float


Prediction: TypeAlias = ClassPrediction | ValuePrediction


class Predictor:
    """Predicts with one bundle. Thread-safe."""

    def __init__(self, folder: str | Path, *, threads: int | None = None) -> None:
        """Load the bundle in `folder`; `threads` of the session default to the number of cores. Raises BundleError."""
        self.folder = Path(folder)
        self.signature = signature.read(self.folder)
        self.preprocess = load(self.folder / "preprocess")
        self.threads = threads or cores()
        self.session = _session(self.folder / "model.onnx", self.threads)
        self._single: onnxruntime.InferenceSession | None = None
        self._outputs = [self.signature.graph_output]
        self._check()

    def _check(self) -> None:
        """Raise BundleError if model, signature and preprocessing do not match."""
        names = {node.name for node in self.session.get_inputs()}
        if names != set(self.signature.graph_inputs):
            raise BundleError(f"the inputs of model.onnx, {sorted(names)}, differ from those in signature.json")
        if not names <= set(self.preprocess.names):
            raise BundleError(
                f"the preprocessing returns {sorted(self.preprocess.names)}, but model.onnx needs {sorted(names)}"
            )
        shapes = {node.name: node.shape for node in self.session.get_outputs()}
        if self.signature.graph_output not in shapes:
            raise BundleError(f"model.onnx has the outputs {sorted(shapes)}, not `{self.signature.graph_output}`")
        shape, labels = shapes[self.signature.graph_output], self.signature.labels
        if labels and shape and isinstance(shape[-1], int) and (len(shape) != 2 or shape[-1] != len(labels)):
            raise BundleError(
                f"model.onnx has {shape[-1]} outputs per row, but signature.json has {len(labels)} labels"
            )

    def split(self) -> None:
        """Load a second, single-threaded session for concurrent batches, each on one core.

        A single row is fastest on all cores, many concurrent batches with one core each.
        """
        if self.threads > 1 and self._single is None:
            self._single = _session(self.folder / "model.onnx", 1)

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """One prediction per row, in order. Raises BadRow if a row does not match the signature."""
        return self.answers(self.logits(rows))

    def prepare(self, rows: Sequence[Row]) -> list[tuple[int, Feature]]:
        """The length and the model inputs of each row. Raises BadRow if a row does not match the signature."""
        return [(self.preprocess.length(feature), feature) for feature in self.preprocess.features(rows)]

    def compute(self, prepared: Sequence[Feature], alone: bool = True) -> list[Prediction]:
        """One prediction for each prepared row, computed in one batch; `alone` uses all cores."""
        return self.answers(self.run(self.preprocess.collate(prepared), alone))

    def logits(self, rows: Sequence[Row]) -> Array:
        """The model's raw output: float32 [B, classes], or [B] for regression."""
        prepared = self.prepare(rows)
        order = sorted(range(len(prepared)), key=lambda i: prepared[i][0])
        outputs: list[Array] = [np.empty(0)] * len(prepared)
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            batch = self.run(self.preprocess.collate([prepared[i][1] for i in some]))
            for position, row in enumerate(some):
                outputs[row] = batch[position]
        if not outputs:
            return np.empty((0, max(1, len(self.signature.labels))), dtype=np.float32)
        return np.stack(outputs)

    def run(self, inputs: dict[str, Array], alone: bool = True) -> Array:
        """Run one batch through the session. Raises ArithmeticError if the output is NaN or infinite."""
        session = self.session if alone or self._single is None else self._single
        (output,) = session.run(self._outputs, {n: inputs[n] for n in self.signature.graph_inputs})
        array = np.asarray(output)
        if not np.isfinite(array).all():
            raise ArithmeticError("the model output is NaN or infinite")
        return array

    def answers(self, logits: Array) -> list[Prediction]:
        """Raw outputs to predictions: label, score and all probabilities, or a value."""
        if self.signature.task == "regression":
            return [{"value": float(v)} for v in np.asarray(logits, dtype=np.float64).reshape(-1)]
        labels, threshold = self.signature.labels, self.signature.threshold
        answers: list[Prediction] = []
        for row in softmax(logits).tolist():
            best = row.index(max(row)) if threshold is None else int(row[1] >= threshold)
            answers.append(
                {"label": labels[best], "score": row[best], "probabilities": dict(zip(labels, row, strict=True))}
            )
        return answers


def softmax(logits: Array) -> Array:
    """Probabilities of logits [B, C], in float64 so that they sum to one."""
    wide = np.asarray(logits, dtype=np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    result: Array = powers / powers.sum(axis=1, keepdims=True)
    return result


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # By default the session uses all cores of the machine, not only those available to this process.
    options.intra_op_num_threads = threads
    # Idle threads would keep spinning and take CPU time from the others.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime has a class for each kind of damage, outside one family
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BundleError(f"cannot load {path}: {reason}") from None
