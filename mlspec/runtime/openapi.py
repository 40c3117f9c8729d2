"""The OpenAPI 3.1 document of a served model (spec.openapis.org/oas/v3.1.1): the response of `/openapi.json`."""

from __future__ import annotations

from typing import Any, Final

from mlspec.runtime.contract import DATATYPES, Contract, Kind

Schema = dict[str, Any]

_VALUES: Final[dict[Kind, Schema]] = {
    "text": {"type": ["string", "null"]},
    "category": {"type": ["string", "null"]},
    "number": {"type": ["number", "null"]},
    "image": {
        "description": "The image file in base64, or the pixels as a list of rows.",
        "oneOf": [{"type": "string", "contentEncoding": "base64"}, {"type": "array"}],
    },
}
_EXAMPLES: Final[dict[Kind, object]] = {
    "text": "Some text.", "category": "a", "number": 1.5,
    "image": "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR4nGNsYIAAJgaKGAAmCACQXTClHgAAAABJRU5ErkJggg==",
}  # fmt: skip
_REFUSALS: Final = {
    400: "The body is not JSON, or not a valid request.", 413: "The body is too large, or has too many rows.",
    415: "The content type is not application/json.", 422: "A row or a tensor does not match the inputs of the model.",
    503: "The server is overloaded; retry after the time in `Retry-After`.",
}  # fmt: skip


def document(contract: Contract) -> Schema:
    """The OpenAPI document for that contract."""
    model = f"/v2/models/{contract.name}"
    tensors = "Open Inference Protocol v2"
    return {
        "openapi": "3.1.0",
        "info": {"title": contract.name, "version": contract.version},
        "paths": {
            "/predict": {
                "post": _post(
                    "Predict for one row, or for a list of rows", _rows("Row"), _rows("Prediction"), example(contract)
                )
            },
            f"{model}/infer": {
                "post": _post(
                    f"{tensors}: predict for columns",
                    _ref("InferRequest"),
                    _ref("InferResponse"),
                    infer_example(contract),
                )
            },
            model: {"get": _get(f"{tensors}: inputs and outputs of the model")},
            f"{model}/ready": {"get": _get(f"{tensors}: whether the model is ready")},
            "/v2": {"get": _get(f"{tensors}: the server")},
            "/v2/health/live": {"get": _get(f"{tensors}: whether the server runs")},
            "/v2/health/ready": {"get": _get(f"{tensors}: whether the server accepts requests; 503 while it stops")},
            "/metrics": {"get": _get("Metrics for Prometheus", "text/plain")},
        },
        "components": {
            "schemas": {
                "Row": _row(contract),
                "Prediction": _prediction(contract),
                "InferRequest": _request(contract),
                "InferResponse": _response(contract),
                "Refusal": _refusal(),
            }
        },
    }


def example(contract: Contract) -> Schema:
    """An example row with a valid value for each input, typical of the training data if the bundle has one."""
    return {name: contract.examples.get(name, _EXAMPLES[kind]) for name, kind in contract.inputs.items()}


def infer_example(contract: Contract) -> Schema:
    """The example row as tensors of the Open Inference Protocol."""
    row = example(contract)
    return {
        "inputs": [
            {"name": name, "shape": [1], "datatype": DATATYPES[kind], "data": [row[name]]}
            for name, kind in contract.inputs.items()
        ]
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _rows(name: str) -> Schema:
    return {"oneOf": [_ref(name), {"type": "array", "items": _ref(name), "minItems": 1}]}


def _object(properties: Schema, optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _row(contract: Contract) -> Schema:
    return _object({name: _VALUES[kind] for name, kind in contract.inputs.items()}) | {"additionalProperties": False}


def _prediction(contract: Contract) -> Schema:
    if not contract.labels:
        return _object({"value": {"type": "number"}})
    share: Schema = {"type": "number", "minimum": 0, "maximum": 1}
    probabilities = _object(dict.fromkeys(contract.labels, share))
    return _object({"label": {"enum": list(contract.labels)}, "score": share, "probabilities": probabilities})


def _request(contract: Contract) -> Schema:
    tensors = [_tensor(name, DATATYPES[kind], _VALUES[kind]) for name, kind in contract.inputs.items()]
    outputs = {"type": "array", "items": _object({"name": {"enum": [output.name for output in contract.outputs]}})}
    inputs = {"type": "array", "items": {"oneOf": tensors}, "minItems": len(tensors), "maxItems": len(tensors)}
    return _object({"id": {"type": "string"}, "inputs": inputs, "outputs": outputs}, optional=("id", "outputs"))


def _response(contract: Contract) -> Schema:
    of = {"FP64": {"type": "number"}, "BYTES": {"type": "string"}}
    tensors = [_tensor(output.name, output.datatype, of[output.datatype]) for output in contract.outputs]
    names = {name: {"type": "string"} for name in ("id", "model_name", "model_version")}
    return _object({**names, "outputs": {"type": "array", "items": {"oneOf": tensors}}}, optional=("id",))


def _tensor(name: str, datatype: str, item: Schema) -> Schema:
    shape = {"type": "array", "items": {"type": "integer"}}
    data = {"type": "array", "items": item}
    return _object({"name": {"const": name}, "shape": shape, "datatype": {"const": datatype}, "data": data})


def _refusal() -> Schema:
    detail = _object(
        {name: {"type": kind} for name, kind in (("row", "integer"), ("input", "string"), ("problem", "string"))}
    )
    text = {"type": "string"}
    return _object({"error": text, "code": text, "details": {"type": "array", "items": detail}}, optional=("details",))


def _get(summary: str, kind: str = "application/json") -> Schema:
    return {"summary": summary, "responses": {"200": {"description": "The answer", "content": {kind: {}}}}}


def _post(summary: str, request_schema: Schema, response_schema: Schema, sample: Schema) -> Schema:
    content = {"application/json": {"schema": request_schema, "example": sample}}
    refused = {"application/json": {"schema": _ref("Refusal")}}
    answers: Schema = {
        "200": {"description": "The answer", "content": {"application/json": {"schema": response_schema}}}
    }
    answers |= {
        str(status): {"description": description, "content": refused} for status, description in _REFUSALS.items()
    }
    return {"summary": summary, "requestBody": {"required": True, "content": content}, "responses": answers}
