"""What stands before a zip's handler: requests as events of a function URL, and its answers as HTTP."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mlspec.runtime.aws_lambda import make_handler
from mlspec.shipping.rehearsal import lambda_adapter
from tests.bundles import text_bundle


def handle(event: dict[str, Any], context: Any) -> Mapping[str, Any]:
    assert context is None
    if event["rawPath"] == "/raise":
        raise RuntimeError("no good")
    text = base64.b64decode(event["body"]).decode()
    body = json.dumps(
        [event["requestContext"]["http"]["method"], event["rawQueryString"], event["headers"]["x-a"], text]
    )
    if event["rawPath"] == "/bytes":
        return {"statusCode": 201, "body": base64.b64encode(b"\xff").decode(), "isBase64Encoded": True}
    return {"statusCode": 200, "headers": {"Content-Type": "application/json", "content-length": "1"}, "body": body}


@pytest.fixture
def address() -> Iterator[str]:
    yield from serving(handle)


def serving(handle: lambda_adapter.Handle) -> Iterator[str]:
    server = lambda_adapter.serve(handle, 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def ask(address: str, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request(method, path, body or None, {"X-A": "b"})
    answer = connection.getresponse()
    result = answer.status, answer.read()
    connection.close()
    return result


def test_there_and_back(address: str) -> None:
    status, body = ask(address, "POST", "/predict?q=1", "ä".encode())
    assert (status, json.loads(body)) == (200, ["POST", "q=1", "b", "ä"])
    assert ask(address, "GET", "/bytes") == (201, b"\xff")


def test_a_handler_that_raises_is_a_502_and_the_next_call_is_answered(address: str) -> None:
    assert ask(address, "GET", "/raise")[0] == 502
    assert ask(address, "GET", "/bytes")[0] == 201


def test_before_the_real_handler(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_BUNDLE", str(text_bundle(tmp_path_factory.mktemp("b") / "bundle")))
    for address in serving(make_handler()):
        assert ask(address, "GET", "/v2/health/ready")[0] == 200
        status, body = ask(address, "POST", "/predict", json.dumps({"sentence": "home"}).encode())
        assert status == 200
        assert json.loads(body)["label"] in ("no", "yes")
        assert ask(address, "POST", "/predict", b"{")[0] == 400
