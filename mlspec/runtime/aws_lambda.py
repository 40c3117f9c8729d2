"""The service in a Lambda function: converts each event format to a Request, and the Answer to the matching response.

Events: https://docs.aws.amazon.com/lambda/latest/dg/ (services-apigateway, urls-invocation, services-alb).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from mlspec.runtime import log_policy, log_setup, prediction_mix
from mlspec.runtime.rows import RefusedError
from mlspec.runtime.service import Answer, Request, Service, load

MAX_ANSWER: Final = 6 * 1024 * 1024 - 64 * 1024
"""Maximum response body in bytes: Lambda's limit for a synchronous invocation is 6 MB, including the envelope."""
_LONGEST_ESCAPE: Final = 6
"""Most bytes of a character in JSON text for one byte of it."""
Event = Mapping[str, Any]
Handle = Callable[[object, object], object]


def make_handler(bundle: Path | None = None) -> Handle:
    """The handler for the bundle in that folder (default: MODEL_BUNDLE). Loads the model, so call it only once.

    In Lambda it logs the durations of the cold start in ms, including a first run during the init phase.
    """
    of, began = prediction_mix.dimensions(os.environ), time.perf_counter()
    imported = _age()
    folder = bundle or Path(os.environ.get("MODEL_BUNDLE", "bundle"))
    service = load(folder)
    log_setup.attach(service, "lambda", folder.parent / log_policy.FILE, os.environ)
    loaded = time.perf_counter()
    service.warm_up()
    if of:
        spent = {"import_ms": imported, "load_ms": loaded - began, "first_run_ms": time.perf_counter() - loaded}
        milliseconds = {name: round(seconds * 1000, 1) for name, seconds in spent.items()}
        sys.stdout.write(json.dumps({"cold_start": milliseconds, **of}) + "\n")
    return handler_for(service, of)


def _age() -> float:
    """Seconds since the process started: interpreter start and imports."""
    try:
        ticks = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return time.process_time()


def handler_for(service: Service, of: Mapping[str, str] | None = None) -> Handle:
    """The handler for `service`.

    Every HTTP event gets a response, malformed ones too; a direct invocation raises if the model fails, so that Lambda
    counts a function error. With `of` (function name and version) each invocation also logs the counts of predicted
    labels as metrics, so that a rollout can compare the predictions of versions.
    """
    service.fits = _fits_in_event

    def handle(event: object, context: object) -> object:
        before = service.counters.labels() if of else None
        try:
            return answered(event, context)
        finally:
            if service.log is not None:  # a thread would be suspended after the response
                service.log.flush()
            if of and before is not None:
                for line in prediction_mix.lines(service.counters.labels() - before, of, time.time()):
                    sys.stdout.write(line + "\n")

    def answered(event: object, context: object) -> object:
        request_id = getattr(context, "aws_request_id", "")
        if isinstance(event, Mapping):
            if is_warm_up(event):
                return {"warm": True, "model": service.contract.name, "version": service.contract.version}
            for recognised, read, write in _SHAPES:
                if recognised(event):
                    return write(_answer(service, event, read, request_id), event)
        return _direct(service, event, request_id or None)

    return handle


def is_warm_up(event: Event) -> bool:
    """Whether the event is a scheduled event or `{"warmup": true}`, which only keeps the function loaded."""
    if event.get("source") in ("aws.events", "aws.scheduler") and "detail-type" in event:
        return True
    return set(event) == {"warmup"} and event["warmup"] is True


def _answer(service: Service, event: Event, read: Callable[[Event], Request], request_id: str) -> Answer:
    try:
        request = read(event)
    except RefusedError as error:
        return service.refuse(error)
    except (AttributeError, KeyError, TypeError, ValueError):
        return service.refuse(
            RefusedError(400, "bad-event", "the event is not a valid API Gateway or load balancer event")
        )
    if request_id and "x-request-id" not in request.headers:
        request = Request(request.method, request.path, {**request.headers, "x-request-id": request_id}, request.body)
    return service.answer(request)


def _fits_in_event(body: bytes) -> bool:
    """Whether Lambda returns a response with that body, which becomes a JSON string: each quote takes two bytes."""
    if len(body) * _LONGEST_ESCAPE <= MAX_ANSWER:
        return True
    return len(body) <= MAX_ANSWER and len(json.dumps(body.decode())) <= MAX_ANSWER


def _fits(body: bytes) -> bool:
    """Whether Lambda returns this JSON text as the result of a direct invocation."""
    return len(body) <= MAX_ANSWER


def _direct(service: Service, event: object, request_id: str | None) -> object:
    """A direct invocation with a row or a list of rows: the predictions, or the error."""
    try:
        predictions = service.predict(
            event if isinstance(event, list) else [event], request_id=request_id, route="invoke", fits=_fits
        )
        return list(predictions) if isinstance(event, list) else predictions[0]
    except RefusedError as error:
        return error.body()


def _is_v2(event: Event) -> bool:
    context = event.get("requestContext")
    return event.get("version") == "2.0" and isinstance(context, Mapping) and "http" in context


def _is_balancer(event: Event) -> bool:
    context = event.get("requestContext")
    return isinstance(context, Mapping) and "elb" in context


def _is_v1(event: Event) -> bool:
    return "httpMethod" in event and "path" in event


def _read_v2(event: Event) -> Request:
    """API Gateway HTTP API and function URL. Removes a stage other than `$default` from the path."""
    context = event["requestContext"]
    path, stage = _text(event.get("rawPath") or "/"), context.get("stage") or "$default"
    if stage != "$default" and (path == f"/{stage}" or path.startswith(f"/{stage}/")):
        path = path[len(stage) + 1 :] or "/"
    return Request(_text(context["http"]["method"]), path, _small(event.get("headers")), _body(event))


def _read_v1(event: Event) -> Request:
    """API Gateway REST API and load balancer; either may send its headers as lists."""
    several = event.get("multiValueHeaders") or {}
    headers = {name: values[-1] for name, values in several.items() if values} | dict(event.get("headers") or {})
    return Request(_text(event["httpMethod"]), _text(event["path"]), _small(headers), _body(event))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a string")
    return value


def _small(headers: Mapping[str, object] | None) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in (headers or {}).items()}


def _body(event: Event) -> bytes:
    if event.get("body") is None:
        return b""
    body = _text(event["body"])
    if not event.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(400, "bad-base64", "isBase64Encoded is set, but the body is not valid base64") from None


def _write(answer: Answer, event: Event) -> dict[str, object]:  # noqa: ARG001 - one signature for all shapes
    return {
        "statusCode": answer.status,
        "headers": dict(answer.headers),
        "body": answer.body.decode("utf-8"),
        "isBase64Encoded": False,
    }


def _write_balancer(answer: Answer, event: Event) -> dict[str, object]:
    """The response for a load balancer: with a status line, and headers in the form of the request."""
    from http import HTTPStatus

    response = _write(answer, event)
    response["statusDescription"] = f"{answer.status} {HTTPStatus(answer.status).phrase}"
    if event.get("multiValueHeaders") is not None:
        del response["headers"]
        response["multiValueHeaders"] = {name: [value] for name, value in answer.headers.items()}
    return response


_SHAPES: Final = (
    (_is_v2, _read_v2, _write),
    (_is_balancer, _read_v1, _write_balancer),
    (_is_v1, _read_v1, _write),
)
