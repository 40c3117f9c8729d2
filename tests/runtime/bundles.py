"""Bundles made by hand: an ONNX graph whose answers are known, and a fitted preprocessing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mlspec.runtime.preprocess.fit import fit

NUMBERS = {"age": {"type": "number"}, "city": {"type": "category", "values": ["Bonn", "Oslo"]}}
ROWS = {"age": [10.0, 20.0, 30.0, None], "city": ["Bonn", "Oslo", "Bonn", None]}


def tabular(folder: Path, labels: Sequence[str] = ("no", "maybe", "yes"), **changes: Any) -> Path:
    """Logits are the standardised age times 1, 2, 3, and so on, plus the index of the city."""
    fit(ROWS, NUMBERS, folder / "preprocess")
    weights = np.arange(1, len(labels) + 1, dtype=np.float32)[None]
    nodes = [
        helper.make_node("MatMul", ["numbers", "weights"], ["scaled"]),
        helper.make_node("Cast", ["categories"], ["indices"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["scaled", "indices"], ["logits"]),
    ]
    inputs = {"numbers": (TensorProto.FLOAT, ["batch", 1]), "categories": (TensorProto.INT64, ["batch", 1])}
    save(folder, nodes, inputs, ["batch", len(labels)], {"weights": weights})
    described = [{"name": name, "type": value["type"]} for name, value in NUMBERS.items()]
    return signed(folder, described, list(inputs), {"labels": list(labels)}, **changes)


def text(folder: Path, texts: Sequence[str]) -> Path:
    """Regression: the value is the number of tokens that are not padding."""
    fit({"sentence": list(texts)}, {"sentence": {"type": "text"}}, folder / "preprocess", max_length=16, vocab_size=200)
    nodes = [
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["unused"]),
        helper.make_node("ReduceSum", ["mask", "axes"], ["logits"], keepdims=0),
    ]
    inputs = {name: (TensorProto.INT64, ["batch", "length"]) for name in ("input_ids", "attention_mask")}
    save(folder, nodes, inputs, ["batch"], {"axes": np.array([1], dtype=np.int64)})
    return signed(folder, [{"name": "sentence", "type": "text"}], list(inputs), {"name": "tokens"}, task="regression")


def save(
    folder: Path,
    nodes: Sequence[Any],
    inputs: Mapping[str, tuple[int, Sequence[int | str]]],
    output: Sequence[int | str],
    constants: Mapping[str, Any],
) -> None:
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "model.onnx")


def signed(folder: Path, inputs: Any, names: list[str], output: Any, **changes: Any) -> Path:
    signature = {
        "version": 1,
        "name": "toy",
        "task": "classification",
        "inputs": inputs,
        "output": output,
        "graph": {"inputs": names, "output": "logits"},
    }
    (folder / "signature.json").write_text(json.dumps(signature | changes))
    return folder
