"""A request to its answer: the routes, the same behind a socket and in a Lambda function. No I/O of its own."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

from mlspec.runtime import contract, counters, inference_protocol
from mlspec.runtime.contract import Contract
from mlspec.runtime.counters import Counters
from mlspec.runtime.json_text import parse, written
from mlspec.runtime.predictor import BATCH, Predictor
from mlspec.runtime.preprocess.bundle_errors import BadRow
from mlspec.runtime.rows import RefusedError, rows

MAX_ROWS: Final = 1024
"""Rows that one request may have."""
_PROCESS, _NUMBERS = os.urandom(8).hex(), itertools.count()
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Predicts(Protocol):
    """The model in two steps, so that rows of several requests can be computed together: `mlspec.runtime.Predictor`."""

    def prepare(self, rows: Sequence[Mapping[str, object]]) -> Sequence[tuple[int, Any]]:
        """Each row's length and what the model computes with. Raises BadRow."""

    def compute(self, prepared: Sequence[Any], alone: bool = True) -> Sequence[Mapping[str, Any]]:
        """One prediction for each, from one run; `alone` when nobody else needs the cores."""


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


@dataclass(frozen=True, slots=True)
class TextBody:
    """An answer that is not JSON."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class PredictWork:
    """What a route wants of the model: rows, prepared, and how their predictions become the body."""

    rows: Sequence[tuple[int, Any]]
    write: Callable[[Sequence[Mapping[str, Any]]], Any]


@dataclass(slots=True)
class Asked:
    """A request whose rows wait for the model, and how its answer will be written."""

    request: Request
    began: float
    headers: dict[str, str]
    work: PredictWork


_NOTHING: Final = PredictWork((), lambda _: None)
Route = Callable[["Service", Request], "tuple[int, Any] | PredictWork"]


class Service:
    """The routes over one model. Any thread may ask."""

    def __init__(self, model: Predicts, promised: Contract) -> None:
        self.model = model
        self.contract = promised
        self.counters = Counters(promised.name, promised.version)
        self.ready = True
        self._described: TextBody | None = None
        self._versioned = inference_protocol.versioned(promised)
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
            "/openapi.json": {"GET": Service._openapi},
            "/docs": {"GET": Service._docs},
        }

    def answer(self, request: Request) -> Answer:
        """The answer to `request`; never raises."""
        asked = self.begin(request)
        if isinstance(asked, Answer):
            return asked
        try:
            predictions = self._compute(asked.work.rows)
        except Exception as error:  # noqa: BLE001 - the caller gets a clean 500, the log the whole story
            return self.fail(asked, error)
        return self.finish(asked, predictions)

    def begin(self, request: Request) -> Answer | Asked:
        """Everything about `request` but the model's part: an answer where it has none. Never raises."""
        if plain := self._versioned.get(request.path):
            request = replace(request, path=plain)
        asked = Asked(request, time.perf_counter(), _headers(request), _NOTHING)
        self.counters.began()
        try:
            made = self._route(request)(self, request)
            if not isinstance(made, PredictWork):
                return self._ended(asked, *made)
            asked.work = made
            return asked
        except Exception as error:  # noqa: BLE001
            return self.fail(asked, error)

    def finish(self, asked: Asked, predictions: Sequence[Mapping[str, Any]]) -> Answer:
        """The answer, once the model has given its part. Never raises."""
        try:
            value = asked.work.write(predictions)
        except Exception as error:  # noqa: BLE001
            return self.fail(asked, error)
        self._count(predictions)
        return self._ended(asked, 200, value)

    def fail(self, asked: Asked, error: BaseException) -> Answer:
        """The answer to a request that is refused, or on which the model fails."""
        if isinstance(error, RefusedError):
            asked.headers |= error.headers
            return self._ended(asked, error.status, error.body())
        traceback.print_exception(error, file=sys.stderr)
        said = "the model failed on this request; the server's log has the reason"
        return self._ended(asked, 500, {"error": said, "code": "model-failed"})

    def drop(self, asked: Asked) -> None:
        """Nobody waits for this answer any more: counted as 499, as nginx does."""
        self._ended(asked, 499, None)

    def refuse(self, error: RefusedError) -> Answer:
        """The answer to a request that did not even get to a route; it is counted like any other."""
        self.counters.began()
        request = Request("", "")
        return self.fail(Asked(request, time.perf_counter(), _headers(request), _NOTHING), error)

    def _ended(self, asked: Asked, status: int, value: Any) -> Answer:
        path = asked.request.path
        self.counters.ended(path if path in self._routes else "other", status, time.perf_counter() - asked.began)
        return _written(status, value, asked.headers)

    def _compute(self, rows: Sequence[tuple[int, Any]]) -> list[Mapping[str, Any]]:
        """Predictions in the order of `rows`, computed in batches of like length."""
        order = sorted(range(len(rows)), key=lambda i: rows[i][0])
        found: list[Mapping[str, Any]] = [{}] * len(rows)
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            for position, made in zip(some, self.model.compute([rows[i][1] for i in some]), strict=True):
                found[position] = made
        return found

    def _count(self, predictions: Sequence[Mapping[str, Any]]) -> None:
        self.counters.predicted([p["label"] for p in predictions if "label" in p], len(predictions))

    def _route(self, request: Request) -> Route:
        methods = self._routes.get(request.path)
        if methods is None:
            raise self._unknown(request.path)
        method = "GET" if request.method == "HEAD" and "GET" in methods else request.method
        if method not in methods:
            known = ", ".join(_with_head(methods))
            raise RefusedError(405, "method-not-allowed", f"{request.path} answers {known}", headers={"Allow": known})
        if method == "POST":
            _must_be_json(request.headers.get("content-type", ""))
        return methods[method]

    def _unknown(self, path: str) -> RefusedError:
        parts = path.split("/")
        if parts[:3] == ["", "v2", "models"] and len(parts) > 3 and parts[3] != self.contract.name:
            return RefusedError(404, "unknown-model", f"the model here is `{self.contract.name}`")
        if parts[4:5] == ["versions"]:
            return RefusedError(404, "unknown-version", f"the version here is `{self.contract.version}`")
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
        return 200, TextBody(self.counters.text(), counters.CONTENT_TYPE)

    def _openapi(self, request: Request) -> tuple[int, Any]:  # noqa: ARG002
        from mlspec.runtime import openapi

        if self._described is None:
            self._described = TextBody(written(openapi.document(self.contract)).decode(), "application/json")
        return 200, self._described

    def _docs(self, request: Request) -> tuple[int, Any]:  # noqa: ARG002
        from mlspec.runtime import docs_page

        return 200, TextBody(docs_page.page(self.contract), "text/html; charset=utf-8")

    def _infer(self, request: Request) -> PredictWork:
        asked = parse(request.body)
        columns = inference_protocol.columns_to_rows(asked, self.contract)
        inference_protocol.outputs_of(asked, self.contract)
        return PredictWork(self._prepared(columns), lambda made: inference_protocol.answer(asked, made, self.contract))

    def _predict(self, request: Request) -> PredictWork:
        """An object is one row and gets one prediction; a list gets a list."""
        value = parse(request.body)
        if isinstance(value, list):
            return PredictWork(self._prepared(value), lambda made: made)
        return PredictWork(self._prepared([value]), lambda made: made[0])

    def _prepared(self, values: Sequence[Any]) -> Sequence[tuple[int, Any]]:
        checked = rows(values, self.contract, MAX_ROWS)
        try:
            return self.model.prepare(checked)
        except BadRow as error:
            said = error.public()
            fault = {"row": said.index, "input": said.input, "problem": said.message}
            raise RefusedError(422, "bad-row", str(said), [fault]) from None

    def warm_up(self) -> None:
        """Run the model once each way: the first run of all is slow."""
        row = dict.fromkeys(self.contract.inputs)
        with contextlib.suppress(BadRow, ArithmeticError):  # an image cannot be null, and then nothing is warmed
            prepared = [item for _, item in self.model.prepare([row])]
            for alone in (True, False):
                self.model.compute(prepared, alone)

    def predict(self, values: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        """Checked, predicted and counted. Raises RefusedError for rows that do not fit the contract."""
        predictions = self._compute(self._prepared(values))
        self._count(predictions)
        return predictions


def load(bundle: Path, *, shared: bool = False) -> Service:
    """The service over the bundle in that folder, `shared` by callers that ask at the same time. Raises BundleError."""
    predictor = Predictor(bundle)
    if shared:
        predictor.split()
    return Service(predictor, contract.of(predictor.signature))


def _must_be_json(content_type: str) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in ("", "application/json") and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RefusedError(415, "not-json", f"send application/json, not {kind[:100]}")


def _with_head(methods: Mapping[str, Route]) -> list[str]:
    return ["GET", "HEAD"] if "GET" in methods else list(methods)


def _headers(request: Request) -> dict[str, str]:
    asked = request.headers.get("x-request-id", "")
    return {"X-Request-Id": asked if asked and _REQUEST_ID.fullmatch(asked) else f"{_PROCESS}-{next(_NUMBERS):x}"}


def _written(status: int, value: Any, headers: dict[str, str]) -> Answer:
    if isinstance(value, TextBody):
        headers["Content-Type"] = value.kind
        return Answer(status, value.text.encode(), headers)
    headers["Content-Type"] = "application/json"
    return Answer(status, written(value), headers)
