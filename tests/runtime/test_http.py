from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from mlspec.runtime.http import Background
from mlspec.runtime.limits import Limits
from mlspec.runtime.service import Service
from tests.runtime.served import ROW, YES, Rows, service


@pytest.fixture
def server() -> Iterator[Background]:
    created = Background(service(), Limits(body=2000, lull=0))
    yield created
    created.stop()


def connect(server: Background) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)


def ask(
    server: Background, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[http.client.HTTPResponse, Any]:
    connection = connect(server)
    connection.request(method, path, body, dict(headers or {}))
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response, json.loads(text) if text else None


def raw(server: Background, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_prediction_and_its_headers(server: Background) -> None:
    response, body = ask(server, "POST", "/predict?x=1", json.dumps(ROW).encode(), {"X-Request-Id": "r1"})
    assert (response.status, body) == (200, YES)
    assert response.headers["X-Request-Id"] == "r1"
    assert response.headers["Content-Type"] == "application/json"


def test_one_connection_takes_many_requests(server: Background) -> None:
    connection = connect(server)
    for _ in range(3):
        connection.request("POST", "/predict", json.dumps(ROW))
        assert json.loads(connection.getresponse().read()) == YES
    connection.close()


def test_head_has_no_body(server: Background) -> None:
    response, body = ask(server, "HEAD", "/v2/health/live")
    assert (response.status, body) == (200, None)


def test_too_large_a_body_is_refused_before_it_is_read(server: Background) -> None:
    output = raw(server, b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2001\r\n\r\n")
    assert output.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"too-large"' in output
    assert b"Connection: close" in output


def test_too_large_a_body_is_not_asked_for(server: Background) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    assert raw(server, head % 9_000_000).startswith(b"HTTP/1.1 413 ")
    assert raw(server, head % 10).startswith(b"HTTP/1.1 100 ")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"POST /predict HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad-json"),
        (b"POST /predict HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, "bad-http"),
        (b"POST /predict HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nab", 400, "bad-http"),
        (b"POST /predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "bad-http"),
        (b"POST /predict HTTP/1.1\r\nContent-Length: 10\r\n\r\n{}", 400, "cut-short"),
        (b"PUT /predict HTTP/1.1\r\n\r\n", 405, "method-not-allowed"),
        (b"BREW /predict HTTP/1.1\r\n\r\n", 400, "bad-http"),
        (b"GET / HTTP/1.1\r\na: " + b"b" * 70_000 + b"\r\n\r\n", 431, "bad-http"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, "bad-http"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431, "bad-http"),
        (b"nonsense\r\n\r\n", 400, "bad-http"),
    ],
)
def test_what_is_not_proper_http_gets_a_proper_answer(server: Background, data: bytes, status: int, code: str) -> None:
    output = raw(server, data)
    assert f'"code":"{code}"'.encode() in output
    assert output.startswith(b"HTTP/1.1 %d " % status)


def post(body: bytes, more: bytes = b"") -> bytes:
    return b"POST /predict HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s" % (more, len(body), body)


def test_requests_sent_ahead_are_answered_in_order(server: Background) -> None:
    rows = [{"sentence": "why" if n % 3 else "no", "age": n} for n in range(20)]
    output = raw(server, b"".join(post(json.dumps(row).encode()) for row in rows))
    answers = [json.loads(part.split(b"\r\n\r\n")[1])["label"] for part in output.split(b"HTTP/1.1 200 OK")[1:]]
    assert answers == ["yes" if n % 3 else "no" for n in range(20)]


def test_a_body_in_chunks(server: Background) -> None:
    body = json.dumps(ROW).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:5], body[5:])) + b"0\r\n\r\n"
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw(server, head + chunks).endswith(json.dumps(YES, separators=(",", ":")).encode())
    too_much = b"%x\r\n%s\r\n" % (3000, b" " * 3000)
    assert raw(server, head + too_much).startswith(b"HTTP/1.1 413 ")


def test_a_byte_at_a_time(server: Background) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post(json.dumps(ROW).encode(), b"Connection: close\r\n"):
            connection.sendall(bytes([byte]))
        output = b"".join(iter(lambda: connection.recv(65536), b""))
    assert output.startswith(b"HTTP/1.1 200 ")


def test_http_1_0_clients_choose_whether_the_connection_stays_open(server: Background) -> None:
    assert b"Connection: close" in raw(server, b"GET /v2 HTTP/1.0\r\n\r\n")
    assert b"Connection: keep-alive" in raw(server, b"GET /v2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")


def test_another_protocol_is_not_taken_up(server: Background) -> None:
    output = raw(server, b"GET /v2 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nrest")
    assert output.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in output


def test_a_target_with_its_host(server: Background) -> None:
    assert raw(server, b"GET http://here/v2/health/live HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_one_log_line_a_request_without_what_was_sent(capsys: pytest.CaptureFixture[str]) -> None:
    logged = Background(service(), Limits(lull=0), log=True)
    ask(logged, "POST", "/predict?token=secret", json.dumps(ROW).encode())
    logged.stop()
    line = capsys.readouterr().out
    entry = json.loads(line)
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/predict", 200)
    assert "secret" not in line
    assert "why" not in line


class Slow(Rows):
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.requested, self.go = threading.Event(), threading.Event()

    def compute(self, prepared: Sequence[Any], alone: bool = True) -> Sequence[Mapping[str, Any]]:
        self.requested.set()
        assert self.go.wait(60)
        return [YES for _ in prepared]


def test_stopping_lets_a_request_under_way_come_to_its_end() -> None:
    slow = Slow()
    server = Background(Service(slow, service().contract), Limits(lull=0))
    answers: list[int] = []
    body = json.dumps(ROW).encode()
    caller = threading.Thread(target=lambda: answers.append(ask(server, "POST", "/predict", body)[0].status))
    caller.start()
    assert slow.requested.wait(60)
    drained: list[bool] = []
    stopper = threading.Thread(target=lambda: drained.append(server.stop()))
    stopper.start()
    slow.go.set()
    caller.join(60)
    stopper.join(60)
    assert (answers, drained) == ([200], [True])
    with pytest.raises(ConnectionRefusedError):
        ask(server, "GET", "/v2/health/live")


def test_a_request_on_its_way_while_the_server_stops_is_answered() -> None:
    server = Background(service(), Limits(lull=20))
    connection = connect(server)
    connection.request("GET", "/v2/health/ready")
    assert json.loads(connection.getresponse().read()) == {"ready": True}
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    while server.server.service.ready:
        pass
    connection.request("POST", "/predict", json.dumps(ROW))
    response = connection.getresponse()
    assert (response.status, response.headers["Connection"]) == (200, "close")
    connection.close()
    stopper.join(60)
    assert not stopper.is_alive()


def test_stopping_does_not_wait_for_ever() -> None:
    slow = Slow()
    server = Background(Service(slow, service().contract), Limits(grace=0, lull=0))
    connection = connect(server)
    connection.request("POST", "/predict", json.dumps(ROW))
    assert slow.requested.wait(60)
    assert server.stop() is False
    connection.close()
    slow.go.set()
