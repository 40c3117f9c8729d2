from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from mlspec.runtime.http import Limits, Server
from mlspec.runtime.service import Service
from tests.runtime.served import ROW, YES, service


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), service(), Limits(body=2000), log=False)
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.stop()


def connect(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[http.client.HTTPResponse, Any]:
    connection = connect(server)
    connection.request(method, path, body, dict(headers or {}))
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response, json.loads(text) if text else None


def raw(server: Server, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_prediction_and_its_headers(server: Server) -> None:
    response, body = ask(server, "POST", "/predict?x=1", json.dumps(ROW).encode(), {"X-Request-Id": "r1"})
    assert (response.status, body) == (200, YES)
    assert response.headers["X-Request-Id"] == "r1"
    assert response.headers["Content-Type"] == "application/json"


def test_one_connection_takes_many_requests(server: Server) -> None:
    connection = connect(server)
    for _ in range(3):
        connection.request("POST", "/predict", json.dumps(ROW))
        assert json.loads(connection.getresponse().read()) == YES
    connection.close()


def test_head_has_no_body(server: Server) -> None:
    response, body = ask(server, "HEAD", "/v2/health/live")
    assert (response.status, body) == (200, None)


def test_too_large_a_body_is_refused_before_it_is_read(server: Server) -> None:
    said = raw(server, b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2001\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"too-large"' in said
    assert b"Connection: close" in said


def test_too_large_a_body_is_not_asked_for(server: Server) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    assert raw(server, head % 9_000_000).startswith(b"HTTP/1.1 413 ")
    assert raw(server, head % 10).startswith(b"HTTP/1.1 100 ")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"POST /predict HTTP/1.1\r\nHost: x\r\n\r\n", 411, "length-required"),
        (b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, "length-required"),
        (b"POST /predict HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, "bad-length"),
        (b"POST /predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "bad-length"),
        (b"POST /predict HTTP/1.1\r\nContent-Length: 10\r\n\r\n{}", 400, "cut-short"),
        (b"BREW /predict HTTP/1.1\r\n\r\n", 405, "method-not-allowed"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, "bad-http"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431, "bad-http"),
        (b"nonsense\r\n\r\n", 400, "bad-http"),
    ],
)
def test_what_is_not_proper_http_gets_a_proper_answer(server: Server, data: bytes, status: int, code: str) -> None:
    said = raw(server, data)
    assert f'"code":"{code}"'.encode() in said
    if not said.startswith(b"{"):  # HTTP/0.9 has no status line
        assert said.startswith(b"HTTP/1.1 %d " % status)


def test_one_log_line_a_request_without_what_was_sent(capsys: pytest.CaptureFixture[str]) -> None:
    logged = Server(("127.0.0.1", 0), service(), Limits())
    threading.Thread(target=logged.serve_forever, args=(0.01,), daemon=True).start()
    ask(logged, "POST", "/predict?token=abc", json.dumps(ROW).encode())
    logged.stop()
    line = capsys.readouterr().out
    entry = json.loads(line)
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/predict", 200)
    assert "abc" not in line
    assert "why" not in line


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def predict(self, rows: Sequence[Mapping[str, object]]) -> Sequence[Mapping[str, Any]]:
        self.asked.set()
        assert self.go.wait(10)
        return [YES for _ in rows]


def test_stopping_lets_a_request_under_way_come_to_its_end() -> None:
    slow = Slow()
    server = Server(("127.0.0.1", 0), Service(slow, service().contract), Limits(), log=False)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    answers: list[int] = []
    body = json.dumps(ROW).encode()
    caller = threading.Thread(target=lambda: answers.append(ask(server, "POST", "/predict", body)[0].status))
    caller.start()
    assert slow.asked.wait(10)
    drained: list[bool] = []
    stopper = threading.Thread(target=lambda: drained.append(server.stop()))
    stopper.start()
    slow.go.set()
    caller.join(10)
    stopper.join(10)
    assert (answers, drained) == ([200], [True])
    with pytest.raises(ConnectionRefusedError):
        ask(server, "GET", "/v2/health/live")


def test_stopping_does_not_wait_for_ever() -> None:
    slow = Slow()
    server = Server(("127.0.0.1", 0), Service(slow, service().contract), Limits(grace=0), log=False)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    threading.Thread(target=lambda: ask(server, "POST", "/predict", json.dumps(ROW).encode()), daemon=True).start()
    assert slow.asked.wait(10)
    assert server.stop() is False
    slow.go.set()
