"""The Open Inference Protocol, version 2, in JSON (https://github.com/kserve/open-inference-protocol).

Inputs are columns with one value per row: shape `[n]` or `[n, 1]`. An image is base64 in a BYTES column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlspec.runtime.contract import DATATYPES, Contract, OutputField
from mlspec.runtime.predictor import Prediction
from mlspec.runtime.rows import RefusedError

_NUMBERS = {"FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8"}


def versioned(contract: Contract) -> dict[str, str]:
    """The paths with a version, each mapped to the path without it: `/versions/V` is optional in all paths of a model
    (https://github.com/open-inference/open-inference-protocol, REST)."""
    model = f"/v2/models/{contract.name}"
    return {f"{model}/versions/{contract.version}{rest}": f"{model}{rest}" for rest in ("", "/ready", "/infer")}


def metadata(contract: Contract) -> dict[str, object]:
    """The response of `GET /v2/models/NAME`."""
    return {
        "name": contract.name,
        "versions": [contract.version],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": n, "datatype": DATATYPES[k], "shape": [-1]} for n, k in contract.inputs.items()],
        "outputs": [{"name": o.name, "datatype": o.datatype, "shape": [-1, *o.shape]} for o in contract.outputs],
    }


def columns_to_rows(request: object, contract: Contract) -> list[dict[str, object]]:
    """The rows of an inference request, values not yet checked. Raises RefusedError 400 or 422."""
    if not isinstance(request, dict) or not isinstance(request.get("inputs"), list):
        raise RefusedError(400, "bad-request", "an inference request is an object with a list of `inputs`")
    columns: dict[str, list[object]] = {}
    for tensor in request["inputs"]:
        name, data = _column(tensor, contract)
        if name in columns:
            raise RefusedError(422, "bad-tensor", f"duplicate input `{name}`")
        columns[name] = data
    for name in contract.inputs:
        if name not in columns:
            raise RefusedError(422, "bad-tensor", f"input `{name}` is missing")
    lengths = {name: len(data) for name, data in columns.items()}
    if len(set(lengths.values())) > 1:
        raise RefusedError(422, "bad-tensor", f"the inputs have different numbers of rows: {lengths}")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _column(tensor: object, contract: Contract) -> tuple[str, list[object]]:
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise RefusedError(422, "bad-tensor", "every input is an object with a `name`")
    name = tensor["name"]
    if name not in contract.inputs:
        known = ", ".join(f"`{n}`" for n in contract.inputs)
        raise RefusedError(422, "bad-tensor", f"unknown input `{name[:100]}`; the inputs are {known}")
    expected, actual = DATATYPES[contract.inputs[name]], tensor.get("datatype")
    if actual != expected and not (expected == "FP64" and actual in _NUMBERS):
        raise RefusedError(422, "bad-tensor", f"input `{name}` must have datatype {expected}, not {actual}")
    shape, data = tensor.get("shape"), tensor.get("data")
    if not isinstance(data, list):
        raise RefusedError(422, "bad-tensor", f"`data` of input `{name}` must be a list")
    if shape == [len(data), 1] and all(isinstance(item, list) and len(item) == 1 for item in data):
        data = [item[0] for item in data]
    if shape not in ([len(data)], [len(data), 1]):
        raise RefusedError(422, "bad-tensor", f"input `{name}` has shape {shape} but {len(data)} values")
    return name, data


def answer(request: object, predictions: Sequence[Prediction], contract: Contract) -> dict[str, object]:
    """The response with the requested outputs, by default all."""
    known = {output.name: output for output in contract.outputs}
    outputs = []
    for name in outputs_of(request, contract):
        output = known[name]
        flat = _data(predictions, output, contract)
        outputs.append(
            {"name": name, "datatype": output.datatype, "shape": [len(predictions), *output.shape], "data": flat}
        )
    response: dict[str, object] = {"model_name": contract.name, "model_version": contract.version, "outputs": outputs}
    id = _member(request, "id")
    return response | ({"id": id} if isinstance(id, str) else {})


def outputs_of(request: object, contract: Contract) -> list[str]:
    """The names of the requested outputs, by default all. Raises RefusedError 422 for an unknown one."""
    known = [output.name for output in contract.outputs]
    requested = _member(request, "outputs") or []
    if not isinstance(requested, list) or not all(isinstance(w, dict) and w.get("name") in known for w in requested):
        raise RefusedError(422, "bad-tensor", f"`outputs` may name {', '.join(f'`{n}`' for n in known)}")
    return list(dict.fromkeys(w["name"] for w in requested)) or known


def _member(request: object, key: str) -> object:
    return request.get(key) if isinstance(request, dict) else None


def _data(predictions: Sequence[Prediction], output: OutputField, contract: Contract) -> list[object]:
    """The values of one output, row by row."""
    if output.shape:
        return [p["probabilities"][label] for p in predictions if "label" in p for label in contract.labels]
    values: Sequence[Mapping[str, object]] = predictions
    return [row[output.name] for row in values]
