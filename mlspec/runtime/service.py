"""A request to its answer: the routes, the same behind a socket and in a Lambda function. No I/O of its own."""

from __future__ import annotations

import json
import re
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from mlspec.runtime import contract, counters, inference_protocol
from mlspec.runtime.contract import Contract
from mlspec.runtime.counters import Counters
from mlspec.runtime.errors import BadRow
from mlspec.runtime.predictor import Predictor
from mlspec.runtime.rows import RefusedError, parse, rows

MAX_ROWS: Final = 1024
"""Rows that one request may have."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Predicts(Protocol):
    """The model: `mlspec.runtime.Predictor`."""

    def predict(self, rows: Sequence[Mapping[str, object]]) -> Sequence[Mapping[str, Any]]:
        """One prediction a row."""


@dataclass(frozen=True, slots=True)
class Request:
    """What both ways in come to. Header names are in small letters; `path` has no query."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    headers: Mapping[str, str]


Route = Callable[["Service", Request], "tuple[int, Any]"]


class Service:
    """The routes over one model. Any thread may ask."""

    def __init__(self, model: Predicts, promised: Contract) -> None:
        self.model = model
        self.contract = promised
        self.counters = Counters(promised.name, promised.version)
        self.ready = True
        name = promised.name
        self._routes: dict[str, dict[str, Route]] = {
            "/v2": {"GET": Service._server},
            "/v2/health/live": {"GET": Service._live},
            "/v2/health/ready": {"GET": Service._is_ready},
            f"/v2/models/{name}": {"GET": Service._model},
            f"/v2/models/{name}/ready": {"GET": Service._is_ready},
            f"/v2/models/{name}/infer": {"POST": Service._infer},
            "/predict": {"POST": Service._predict},
            "/metrics": {"GET": Service._metrics},
        }

    def answer(self, request: Request) -> Answer:
        """The answer to `request`; never raises."""
        began = time.perf_counter()
        self.counters.began()
        asked = request.headers.get("x-request-id", "")
        headers = {"X-Request-Id": asked if _REQUEST_ID.fullmatch(asked) else str(uuid.uuid4())}
        try:
            status, value = self._route(request)(self, request)
        except RefusedError as error:
            status, value = error.status, refusal(error)
            if status == 405:
                headers["Allow"] = ", ".join(_with_head(self._routes[request.path]))
        except Exception:  # noqa: BLE001 - the caller gets a clean 500, the log the whole story
            traceback.print_exc(file=sys.stderr)
            status, value = 500, {"error": "the model failed on this request; the server's log has the reason",
                                  "code": "model-failed"}  # fmt: skip
        route = request.path if request.path in self._routes else "other"
        self.counters.ended(route, status, time.perf_counter() - began)
        return _written(status, value, headers)

    def refuse(self, error: RefusedError) -> Answer:
        """The answer to a request that did not even get to a route; it is counted like any other."""
        self.counters.began()
        self.counters.ended("other", error.status, 0.0)
        return _written(error.status, refusal(error), {"X-Request-Id": str(uuid.uuid4())})

    def _route(self, request: Request) -> Route:
        methods = self._routes.get(request.path)
        if methods is None:
            raise self._unknown(request.path)
        method = "GET" if request.method == "HEAD" and "GET" in methods else request.method
        if method not in methods:
            raise RefusedError(405, "method-not-allowed", f"{request.path} answers {', '.join(_with_head(methods))}")
        if method == "POST":
            _must_be_json(request.headers.get("content-type", ""))
        return methods[method]

    def _unknown(self, path: str) -> RefusedError:
        parts = path.split("/")
        if parts[:3] == ["", "v2", "models"] and len(parts) > 3 and parts[3] != self.contract.name:
            return RefusedError(404, "unknown-model", f"the model here is `{self.contract.name}`")
        return RefusedError(404, "unknown-path", f"there is nothing here; the paths are {', '.join(self._routes)}")

    def _server(self, request: Request) -> tuple[int, Any]:  # noqa: ARG002 - a route's signature
        return 200, {"name": "mlspec", "version": "2", "extensions": []}

    def _live(self, request: Request) -> tuple[int, Any]:  # noqa: ARG002
        return 200, {"live": True}

    def _is_ready(self, request: Request) -> tuple[int, Any]:  # noqa: ARG002
        return (200 if self.ready else 503), {"ready": self.ready}

    def _model(self, request: Request) -> tuple[int, Any]:  # noqa: ARG002
        return 200, inference_protocol.metadata(self.contract)

    def _metrics(self, request: Request) -> tuple[int, Any]:  # noqa: ARG002
        return 200, self.counters.text()

    def _infer(self, request: Request) -> tuple[int, Any]:
        asked = parse(request.body)
        columns = inference_protocol.columns_to_rows(asked, self.contract)
        return 200, inference_protocol.answer(asked, self.predict(columns), self.contract)

    def _predict(self, request: Request) -> tuple[int, Any]:
        """An object is one row and gets one prediction; a list gets a list."""
        value = parse(request.body)
        return 200, self.predict(value) if isinstance(value, list) else self.predict([value])[0]

    def predict(self, values: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        """Checked, predicted and counted. Raises RefusedError for rows that do not fit the contract."""
        checked = rows(values, self.contract, MAX_ROWS)
        try:
            predictions = self.model.predict(checked)
        except BadRow as error:
            fault = {"row": error.index, "input": error.input, "problem": error.message}
            raise RefusedError(422, "bad-row", str(error), [fault]) from None
        self.counters.predicted([p["label"] for p in predictions if "label" in p], len(predictions))
        return predictions


def load(bundle: Path) -> Service:
    """The service over the bundle in that folder. Raises BundleError."""
    predictor = Predictor(bundle)
    return Service(predictor, contract.of(predictor.signature))


def refusal(error: RefusedError) -> dict[str, object]:
    """The body that says what is wrong with a request."""
    made: dict[str, object] = {"error": error.message, "code": error.code}
    return made | ({"details": list(error.details)} if error.details else {})


def _must_be_json(content_type: str) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in ("", "application/json") and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RefusedError(415, "not-json", f"send application/json, not {kind[:100]}")


def _with_head(methods: Mapping[str, Route]) -> list[str]:
    return ["GET", "HEAD"] if "GET" in methods else list(methods)


def _written(status: int, value: Any, headers: dict[str, str]) -> Answer:
    if isinstance(value, str):
        return Answer(status, value.encode(), headers | {"Content-Type": counters.CONTENT_TYPE})
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Answer(status, text.encode("utf-8", "backslashreplace"), headers | {"Content-Type": "application/json"})
