"""A bundle made by hand: real preprocessing, and a graph of a few nodes in place of a trained model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mlspec.runtime.preprocess.fit import fit

TEXTS = ["the cat sat", "a dog ran", "sat cat the", "ran a dog"]


def text_bundle(folder: Path, name: str = "cola") -> Path:
    """A text classifier with labels `no` and `yes`, in `folder`."""
    (folder / "preprocess").mkdir(parents=True)
    fit({"sentence": TEXTS}, {"sentence": {"type": "text"}}, folder / "preprocess")
    onnx.save(_graph(), folder / "model.onnx")
    signature = {
        "version": 1,
        "name": name,
        "task": "classification",
        "inputs": [{"name": "sentence", "type": "text"}],
        "output": {"labels": ["no", "yes"]},
        "graph": {"inputs": ["input_ids", "attention_mask"], "output": "logits"},
    }
    (folder / "signature.json").write_text(json.dumps(signature), encoding="utf-8")
    (folder / "profile.json").write_text("{}", encoding="utf-8")
    (folder / "lineage.json").write_text("{}", encoding="utf-8")
    return folder


def _graph() -> onnx.ModelProto:
    """Logits that rise and fall with the mean token id; padding changes nothing, as in any sound model."""
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["B", "L"]) for n in ("input_ids", "attention_mask")]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 2])
    weights = numpy_helper.from_array(np.array([[-0.1, 0.1]], dtype=np.float32), "weights")
    axes = numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")
    nodes = [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["masked"]),
        helper.make_node("Cast", ["masked"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["floats", "axes"], ["total"], keepdims=1),
        helper.make_node("ReduceSum", ["mask", "axes"], ["count"], keepdims=1),
        helper.make_node("Div", ["total", "count"], ["mean"]),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, [output], [weights, axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model
