"""A bundle to predictions: preprocessing, the ONNX session, and what its numbers mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from mlspec.runtime import signature
from mlspec.runtime.errors import BundleError
from mlspec.runtime.preprocess import load
from mlspec.runtime.preprocess.base import Array, Row

BATCH = 32
"""Rows that go through the session together; on a CPU larger batches only pad more."""


class Predictor:
    """Answers requests from one bundle. Safe to call from several threads."""

    def __init__(self, folder: str | Path, *, threads: int | None = None) -> None:
        """Load the bundle in `folder`; `threads` of the session, by default one for each core. Raises BundleError."""
        self.folder = Path(folder)
        self.signature = signature.read(self.folder)
        self.preprocess = load(self.folder / "preprocess")
        self.session = _session(self.folder / "model.onnx", threads)
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

    def predict(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """One answer a row, in their order. Raises BadRow where a row does not fit the signature."""
        return self.answers(self.logits(rows))

    def logits(self, rows: Sequence[Row]) -> Array:
        """The model's raw output: float32 [B, classes], or [B] for regression."""
        features = self.preprocess.features(rows)
        order = sorted(range(len(features)), key=lambda i: self.preprocess.length(features[i]))
        found: list[Array] = [np.empty(0)] * len(features)
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            batch = self.run(self.preprocess.collate([features[i] for i in some]))
            for position, row in enumerate(some):
                found[row] = batch[position]
        if not found:
            return np.empty((0, max(1, len(self.signature.labels))), dtype=np.float32)
        return np.stack(found)

    def run(self, inputs: dict[str, Array]) -> Array:
        """One batch through the session."""
        (output,) = self.session.run([self.signature.graph_output], {n: inputs[n] for n in self.signature.graph_inputs})
        return np.asarray(output)

    def answers(self, logits: Array) -> list[dict[str, Any]]:
        """What raw outputs mean: label, score and all probabilities, or a value."""
        if self.signature.task == "regression":
            return [{"value": float(v)} for v in np.asarray(logits, dtype=np.float64).reshape(-1)]
        labels, threshold = self.signature.labels, self.signature.threshold
        found = []
        for row in softmax(logits):
            best = int(row.argmax()) if threshold is None else int(row[1] >= threshold)
            probabilities = {label: float(p) for label, p in zip(labels, row, strict=True)}
            found.append({"label": labels[best], "score": float(row[best]), "probabilities": probabilities})
        return found


def softmax(logits: Array) -> Array:
    """Probabilities of logits [B, C], in float64 so that they sum to one."""
    wide = np.asarray(logits, dtype=np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    result: Array = powers / powers.sum(axis=1, keepdims=True)
    return result


def _session(path: Path, threads: int | None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # By itself the session counts all cores of the machine, those that this process may not use among them.
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    options.intra_op_num_threads = threads or own
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime has a class for each kind of damage, outside one family
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BundleError(f"{path} cannot be loaded: {reason}") from None
