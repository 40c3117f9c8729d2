"""A bundle to predictions: preprocessing, the ONNX session, and what its numbers mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from mlspec.runtime import signature
from mlspec.runtime.cores import cores
from mlspec.runtime.preprocess import load
from mlspec.runtime.preprocess.base import Array, Feature, Row
from mlspec.runtime.preprocess.bundle_errors import BundleError

BATCH = 32
"""Rows that go through the session together; on a CPU larger batches only pad more."""


class Predictor:
    """Answers requests from one bundle. Safe to call from several threads."""

    def __init__(self, folder: str | Path, *, threads: int | None = None) -> None:
        """Load the bundle in `folder`; `threads` of the session, by default one for each core. Raises BundleError."""
        self.folder = Path(folder)
        self.signature = signature.read(self.folder)
        self.preprocess = load(self.folder / "preprocess")
        self.threads = threads or cores()
        self.session = _session(self.folder / "model.onnx", self.threads)
        self._single: onnxruntime.InferenceSession | None = None
        self._wanted = [self.signature.graph_output]
        self._check()

    def _check(self) -> None:
        """Raise BundleError where model, signature and preprocessing do not belong together."""
        names = {node.name for node in self.session.get_inputs()}
        if names != set(self.signature.graph_inputs):
            raise BundleError(f"model.onnx has the inputs {sorted(names)}, not those of its signature")
        if not names <= set(self.preprocess.names):
            raise BundleError(
                f"the preprocessing makes {sorted(self.preprocess.names)}, and model.onnx reads {sorted(names)}"
            )
        shapes = {node.name: node.shape for node in self.session.get_outputs()}
        if self.signature.graph_output not in shapes:
            raise BundleError(f"model.onnx has the outputs {sorted(shapes)}, not `{self.signature.graph_output}`")
        shape, labels = shapes[self.signature.graph_output], self.signature.labels
        if labels and shape and isinstance(shape[-1], int) and (len(shape) != 2 or shape[-1] != len(labels)):
            raise BundleError(f"model.onnx gives {shape[-1]} numbers a row, and its signature has {len(labels)} labels")

    def split(self) -> None:
        """Load the model once more, for callers that share the cores: each of their batches then keeps to one core.

        One lone row is answered sooner by all cores together, many by every core on its own.
        """
        if self.threads > 1 and self._single is None:
            self._single = _session(self.folder / "model.onnx", 1)

    def predict(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """One answer a row, in their order. Raises BadRow where a row does not fit the signature."""
        return self.answers(self.logits(rows))

    def prepare(self, rows: Sequence[Row]) -> list[tuple[int, Feature]]:
        """Each row's model inputs, after their length. Raises BadRow where a row does not fit the signature."""
        return [(self.preprocess.length(feature), feature) for feature in self.preprocess.features(rows)]

    def compute(self, prepared: Sequence[Feature], alone: bool = True) -> list[dict[str, Any]]:
        """One answer for each prepared row, all in one batch; with all cores where the caller is `alone`."""
        return self.answers(self.run(self.preprocess.collate(prepared), alone))

    def logits(self, rows: Sequence[Row]) -> Array:
        """The model's raw output: float32 [B, classes], or [B] for regression."""
        prepared = self.prepare(rows)
        order = sorted(range(len(prepared)), key=lambda i: prepared[i][0])
        found: list[Array] = [np.empty(0)] * len(prepared)
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            batch = self.run(self.preprocess.collate([prepared[i][1] for i in some]))
            for position, row in enumerate(some):
                found[row] = batch[position]
        if not found:
            return np.empty((0, max(1, len(self.signature.labels))), dtype=np.float32)
        return np.stack(found)

    def run(self, inputs: dict[str, Array], alone: bool = True) -> Array:
        """One batch through the session. Raises ArithmeticError where the graph gives no finite number."""
        session = self.session if alone or self._single is None else self._single
        (output,) = session.run(self._wanted, {n: inputs[n] for n in self.signature.graph_inputs})
        made = np.asarray(output)
        if not np.isfinite(made).all():
            raise ArithmeticError("the model's output is not a finite number")
        return made

    def answers(self, logits: Array) -> list[dict[str, Any]]:
        """What raw outputs mean: label, score and all probabilities, or a value."""
        if self.signature.task == "regression":
            return [{"value": float(v)} for v in np.asarray(logits, dtype=np.float64).reshape(-1)]
        labels, threshold = self.signature.labels, self.signature.threshold
        found = []
        for row in softmax(logits).tolist():
            best = row.index(max(row)) if threshold is None else int(row[1] >= threshold)
            found.append(
                {"label": labels[best], "score": row[best], "probabilities": dict(zip(labels, row, strict=True))}
            )
        return found


def softmax(logits: Array) -> Array:
    """Probabilities of logits [B, C], in float64 so that they sum to one."""
    wide = np.asarray(logits, dtype=np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    result: Array = powers / powers.sum(axis=1, keepdims=True)
    return result


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # By itself the session counts all cores of the machine, those that this process may not use among them.
    options.intra_op_num_threads = threads
    # Threads that have nothing left to do would go on spinning, in the way of those who have.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime has a class for each kind of damage, outside one family
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BundleError(f"{path} cannot be loaded: {reason}") from None
