"""The routes of the service, for HTTP and Lambda: a request to its answer. Does no I/O itself."""

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
from typing import Final, Protocol

from mlspec.runtime import contract, counters, inference_protocol
from mlspec.runtime.bundle_version import bundle_version
from mlspec.runtime.contract import Contract
from mlspec.runtime.counters import Counters
from mlspec.runtime.json_text import parse, written
from mlspec.runtime.prediction_log import PredictionLog
from mlspec.runtime.prediction_record import CANCELLED, AnsweredRequest, Row
from mlspec.runtime.predictor import BATCH, Prediction, Predictor
from mlspec.runtime.preprocess.base import Feature
from mlspec.runtime.preprocess.bundle_errors import BadRow
from mlspec.runtime.rows import RefusedError, rows

MAX_ROWS: Final = 1024
"""Maximum number of rows in a request."""
_FAILED: Final = "model-failed"
_TOO_LARGE: Final = "the response exceeds 6 MB; send fewer rows per request"
_PROCESS, _NUMBERS = os.urandom(8).hex(), itertools.count()
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Predicts(Protocol):
    """The interface of the model in two steps, so that rows of several requests form one batch: see `Predictor`."""

    def prepare(self, rows: Sequence[Mapping[str, object]]) -> Sequence[tuple[int, Feature]]:
        """The length and the model inputs of each row. Raises BadRow."""

    def compute(self, prepared: Sequence[Feature], alone: bool = True) -> Sequence[Prediction]:
        """One prediction for each row, from one run; `alone` if no other run needs the cores."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request from HTTP or Lambda. Header names are lower-case; `path` has no query."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TextBody:
    """A response body that is already text, with its content type."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class PredictWork:
    """The prepared rows of a request, and the function that converts their predictions to the response body."""

    rows: Sequence[tuple[int, Feature]]
    write: Callable[[Sequence[Prediction]], object]
    inputs: Sequence[Row] = ()
    """The rows before they were prepared."""
    one: bool = False
    """Whether the request body is the only row, and the response body its prediction."""


@dataclass(slots=True)
class PendingRequest:
    """A request that waits for the model, with its start time and response headers."""

    request: Request
    began: float
    headers: dict[str, str]
    work: PredictWork


_NO_TEXTS: Final = (b"", b"")
_NOTHING: Final = PredictWork((), lambda _: None)
Route = Callable[["Service", Request], "tuple[int, object] | PredictWork"]


class Service:
    """The routes of one model. Thread-safe."""

    def __init__(self, model: Predicts, promised: Contract) -> None:
        self.model = model
        self.contract = promised
        self.counters = Counters(promised.name, promised.version)
        self.log: PredictionLog | None = None
        """Receives the requests to prediction routes; None: they are not logged."""
        self.fits: Callable[[bytes], bool] | None = None
        """Whether a response body can be sent; None: each can."""
        self.ready = True
        self._described: TextBody | None = None
        self._versioned = inference_protocol.versioned(promised)
        name = promised.name
        self._has_images = "image" in promised.inputs.values()
        self._logged = frozenset(("/predict", f"/v2/models/{name}/infer"))
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
        """The answer to `request`. Never raises."""
        pending = self.begin(request)
        if isinstance(pending, Answer):
            return pending
        try:
            predictions = self._compute(pending.work.rows)
        except Exception as error:  # noqa: BLE001 - the client gets a 500, the log the traceback
            return self.fail(pending, error)
        return self.finish(pending, predictions)

    def begin(self, request: Request) -> Answer | PendingRequest:
        """Route and validate `request`: an Answer, or a PendingRequest if it needs the model. Never raises."""
        if plain := self._versioned.get(request.path):
            request = replace(request, path=plain)
        pending = PendingRequest(request, time.perf_counter(), _headers(request), _NOTHING)
        self.counters.began()
        try:
            result = self._route(request)(self, request)
            if not isinstance(result, PredictWork):
                return self._ended(pending, *result)
            pending.work = result
            return pending
        except Exception as error:  # noqa: BLE001
            return self.fail(pending, error)

    def finish(self, pending: PendingRequest, predictions: Sequence[Prediction]) -> Answer:
        """The answer to a request with its predictions. Never raises."""
        try:
            body = written(pending.work.write(predictions))
            if self.fits is not None and not self.fits(body):
                raise RefusedError(413, "answer-too-large", _TOO_LARGE)
        except Exception as error:  # noqa: BLE001
            return self.fail(pending, error)
        self._count(predictions)
        return self._ended(pending, 200, body, predictions=predictions)

    def fail(self, pending: PendingRequest, error: BaseException) -> Answer:
        """The error response for a refused request, or for a failure of the model, which is logged."""
        if isinstance(error, RefusedError):
            pending.headers |= error.headers
            return self._ended(pending, error.status, error.body(), error.code)
        traceback.print_exception(error, file=sys.stderr)
        message = "the model failed on this request; see the server log"
        return self._ended(pending, 500, {"error": message, "code": _FAILED}, _FAILED)

    def drop(self, pending: PendingRequest) -> None:
        """Count a request whose client has disconnected."""
        self._ended(pending, CANCELLED, None, "cancelled")

    def refuse(self, error: RefusedError, path: str = "") -> Answer:
        """The error response for a request that cannot be routed; it is counted like others, with its path if known."""
        self.counters.began()
        request = Request("", self._versioned.get(path, path))
        return self.fail(PendingRequest(request, time.perf_counter(), _headers(request), _NOTHING), error)

    def _ended(
        self,
        pending: PendingRequest,
        status: int,
        value: object,
        error: str | None = None,
        predictions: Sequence[Prediction] = (),
    ) -> Answer:
        path, seconds = pending.request.path, time.perf_counter() - pending.began
        self.counters.ended(path if path in self._routes else "other", status, seconds, error)
        answer = _written(status, value, pending.headers)
        if (log := self.log) is not None and path in self._logged:
            work = pending.work if predictions else _NOTHING
            now, id, body = time.time(), pending.headers["X-Request-Id"], pending.request.body
            if work.one:
                received = (now, id, path, seconds, body, work.inputs[0], answer.body, predictions[0])
                if log.add_received(received):
                    return answer
            images = work.rows if self._has_images else ()
            row, prediction = (body, answer.body) if work.one else _NO_TEXTS
            log.add(
                (now, id, path, status, error, seconds, work.inputs, predictions, images, len(body), row, prediction)
            )
        return answer

    def _compute(self, rows: Sequence[tuple[int, Feature]]) -> list[Prediction]:
        """Predictions in the order of `rows`, computed in batches of similar length."""
        order = sorted(range(len(rows)), key=lambda i: rows[i][0])
        predictions: dict[int, Prediction] = {}
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            predictions.update(zip(some, self.model.compute([rows[i][1] for i in some]), strict=True))
        return [predictions[position] for position in range(len(rows))]

    def _count(self, predictions: Sequence[Prediction]) -> None:
        self.counters.predicted([p["label"] for p in predictions if "label" in p], len(predictions))

    def _route(self, request: Request) -> Route:
        methods = self._routes.get(request.path)
        if methods is None:
            raise self._unknown(request.path)
        method = "GET" if request.method == "HEAD" and "GET" in methods else request.method
        if method not in methods:
            known = ", ".join(_with_head(methods))
            raise RefusedError(405, "method-not-allowed", f"{request.path} allows {known}", headers={"Allow": known})
        if method == "POST":
            _must_be_json(request.headers.get("content-type", ""))
        return methods[method]

    def _unknown(self, path: str) -> RefusedError:
        parts = path.split("/")
        if parts[:3] == ["", "v2", "models"] and len(parts) > 3 and parts[3] != self.contract.name:
            return RefusedError(404, "unknown-model", f"unknown model; this server has `{self.contract.name}`")
        if parts[4:5] == ["versions"]:
            return RefusedError(404, "unknown-version", f"unknown version; this server has `{self.contract.version}`")
        return RefusedError(404, "unknown-path", f"path not found; the paths are {', '.join(self._routes)}")

    def _server(self, request: Request) -> tuple[int, object]:  # noqa: ARG002 - a route's signature
        return 200, {"name": "mlspec", "version": "2", "extensions": []}

    def _live(self, request: Request) -> tuple[int, object]:  # noqa: ARG002
        return 200, {"live": True}

    def _is_ready(self, request: Request) -> tuple[int, object]:  # noqa: ARG002
        return (200 if self.ready else 503), {"ready": self.ready}

    def _model(self, request: Request) -> tuple[int, object]:  # noqa: ARG002
        return 200, inference_protocol.metadata(self.contract)

    def _metrics(self, request: Request) -> tuple[int, object]:  # noqa: ARG002
        text = self.counters.text() + (self.log.counts.text() if self.log else "")
        return 200, TextBody(text, counters.CONTENT_TYPE)

    def _openapi(self, request: Request) -> tuple[int, object]:  # noqa: ARG002
        from mlspec.runtime import openapi

        if self._described is None:
            self._described = TextBody(written(openapi.document(self.contract)).decode(), "application/json")
        return 200, self._described

    def _docs(self, request: Request) -> tuple[int, object]:  # noqa: ARG002
        from mlspec.runtime import docs_page

        return 200, TextBody(docs_page.page(self.contract), "text/html; charset=utf-8")

    def _infer(self, request: Request) -> PredictWork:
        body = parse(request.body)
        columns = inference_protocol.columns_to_rows(body, self.contract)
        inference_protocol.outputs_of(body, self.contract)
        return self._work(columns, lambda rows: inference_protocol.answer(body, rows, self.contract))

    def _predict(self, request: Request) -> PredictWork:
        """One prediction for an object, a list of predictions for a list of rows."""
        value = parse(request.body)
        if isinstance(value, list):
            return self._work(value, lambda predictions: predictions)
        return self._work([value], lambda predictions: predictions[0], one=True)

    def _work(
        self, values: Sequence[object], write: Callable[[Sequence[Prediction]], object], *, one: bool = False
    ) -> PredictWork:
        checked = rows(values, self.contract, MAX_ROWS)
        try:
            return PredictWork(self.model.prepare(checked), write, checked, one)
        except BadRow as error:
            public = error.public()
            detail = {"row": public.index, "input": public.input, "problem": public.message}
            raise RefusedError(422, "bad-row", str(public), [detail]) from None

    def warm_up(self) -> None:
        """Run the model once in each session, because the first run is slow."""
        row = dict.fromkeys(self.contract.inputs)
        with contextlib.suppress(BadRow, ArithmeticError):  # an image cannot be null; such a model is not run
            prepared = [item for _, item in self.model.prepare([row])]
            for alone in (True, False):
                self.model.compute(prepared, alone)

    def predict(
        self,
        values: Sequence[object],
        *,
        request_id: str | None = None,
        route: str = "predict",
        fits: Callable[[bytes], bool] | None = None,
    ) -> Sequence[Prediction]:
        """The predictions of rows, counted and logged.

        Raises RefusedError for rows that violate the contract, and if `fits` refuses the predictions as JSON.
        """
        began, work = time.perf_counter(), _NOTHING
        predictions: Sequence[Prediction] = ()
        status: int = 500
        code: str | None = _FAILED
        try:
            work = self._work(values, lambda predictions: predictions)
            computed = self._compute(work.rows)
            if fits is not None and not fits(written(computed)):
                raise RefusedError(413, "answer-too-large", _TOO_LARGE)
            predictions = computed
            self._count(predictions)
            status, code = 200, None
        except RefusedError as error:
            status, code = error.status, error.code
            raise
        finally:
            seconds = time.perf_counter() - began
            if self.log is not None:
                work = work if predictions else _NOTHING
                features = work.rows if self._has_images else ()
                id = request_id or _new_id()
                self.log.add(
                    AnsweredRequest(time.time(), id, route, status, code, seconds, work.inputs, predictions, features)
                )
        return predictions


def load(bundle: Path, *, shared: bool = False, environment: Mapping[str, str] = os.environ) -> Service:
    """The service of the bundle in that folder, `shared` for concurrent requests. Raises BundleError."""
    predictor = Predictor(bundle)
    if shared:
        predictor.split()
    return Service(predictor, contract.of(predictor.signature, bundle_version(bundle, environment)))


def _must_be_json(content_type: str) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in ("", "application/json") and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RefusedError(415, "not-json", f"the content type must be application/json, not {kind[:100]}")


def _with_head(methods: Mapping[str, Route]) -> list[str]:
    return ["GET", "HEAD"] if "GET" in methods else list(methods)


def _headers(request: Request) -> dict[str, str]:
    sent = request.headers.get("x-request-id", "")
    return {"X-Request-Id": sent if sent and _REQUEST_ID.fullmatch(sent) else _new_id()}


def _new_id() -> str:
    return f"{_PROCESS}-{next(_NUMBERS):x}"


def _written(status: int, value: object, headers: dict[str, str]) -> Answer:
    if isinstance(value, TextBody):
        headers["Content-Type"] = value.kind
        return Answer(status, value.text.encode(), headers)
    headers["Content-Type"] = "application/json"
    return Answer(status, value if isinstance(value, bytes) else written(value), headers)
