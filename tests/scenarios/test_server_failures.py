"""What a server meets sooner or later, on a real socket: it answers or refuses, stays up, and loses nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mlspec.runtime.http import Background
from mlspec.runtime.limits import Limits
from mlspec.runtime.service import Service, load
from tests.bundles import text_bundle
from tests.runtime.callers import ask, readable, sent, status, until
from tests.runtime.served import ROW, YES, Rows, Yes, service

BODY = json.dumps(ROW)
GOOD = b'{"sentence": "the cat sat"}'


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[Background]:
    created = Background(load(bundle), Limits(lull=0))
    yield created
    created.stop()


def infer(**changes: object) -> bytes:
    return json.dumps(
        {"inputs": [{"name": "sentence", "shape": [1], "datatype": "BYTES", "data": ["a"]} | changes]}
    ).encode()


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/predict", os.urandom(10_000_000), 413, "too-large"),
        ("/predict", os.urandom(1_000_000), 400, "bad-json"),
        ("/predict", b"[" * 1_000_000, 400, "bad-json"),
        ("/predict", b'{"sentence":' * 900 + b"1" + b"}" * 900, 422, "bad-row"),
        ("/predict", b'{"sentence": NaN}', 400, "bad-json"),
        ("/predict", b'{"sentence": -Infinity}', 400, "bad-json"),
        ("/predict", b"[]", 422, "no-rows"),
        ("/predict", json.dumps([{"sentence": "a"}] * 1025).encode(), 413, "too-many-rows"),
        ("/v2/models/cola/infer", infer(datatype="FP32"), 422, "bad-tensor"),
        ("/v2/models/cola/infer", infer(shape=[2]), 422, "bad-tensor"),
        ("/v2/models/cola/infer", infer(shape=[0], data=[]), 422, "no-rows"),
        ("/v2/models/cola/infer", infer(data=[1]), 422, "bad-row"),
        ("/v2/models/cola/infer", infer(data=[["a"]]), 422, "bad-row"),
        ("/v2/models/cola/infer", infer(name=3), 422, "bad-tensor"),
        ("/v2/models/cola/infer", b'{"inputs": {}}', 400, "bad-request"),
        ("/v2/models/cola/infer", b'{"inputs": []}', 422, "bad-tensor"),
    ],
    ids=range(16),
)
def test_an_invalid_request_is_refused_and_the_next_is_answered(
    server: Background, path: str, body: bytes, status: int, code: str
) -> None:
    got, output = ask(server.port, body, path)
    assert (got, output["code"]) == (status, code)
    assert ask(server.port, GOOD)[0] == 200


class Held(Rows):
    """Answers when it is told to, however often it is asked."""

    def __init__(self) -> None:
        self.requested, self.go = threading.Event(), threading.Event()
        self.begun: list[Any] = []
        self.seen: list[Any] = []

    def compute(self, prepared: Sequence[Any], alone: bool = True) -> Sequence[Any]:
        self.begun += prepared
        self.requested.set()
        assert self.go.wait(60)
        self.seen += prepared
        return [YES for _ in prepared]


def waiting(server: Background) -> int:
    text = server.server.service.answer(_metrics()).body.decode()
    (result,) = re.findall(r"^mlspec_queue_rows\{.*\} (\d+)$", text, re.MULTILINE)
    return int(result)


def _metrics() -> Any:
    from mlspec.runtime.service import Request

    return Request("GET", "/metrics")


def test_requests_beyond_the_queue_are_rejected_and_accepted_ones_are_answered() -> None:
    held = Held()
    server = Background(Service(held, service().contract), Limits(rows=4, lull=0))
    taken, refused = [], None
    while refused is None:
        count = waiting(server) + len(held.begun)
        caller = sent(server.port, ROW)
        until(lambda count=count, caller=caller: waiting(server) + len(held.begun) > count or readable(caller))
        if readable(caller):
            refused = caller
        else:
            taken.append(caller)
    answer = refused.recv(65536)
    assert b" 503 " in answer
    assert b"\r\nRetry-After: " in answer
    assert b'"code":"overloaded"' in answer
    assert len(taken) > 4
    held.go.set()
    assert [status(caller) for caller in taken] == [200] * len(taken)
    for caller in (refused, *taken):
        caller.close()
    assert server.stop()


def test_what_a_caller_who_hung_up_asked_for_is_not_computed() -> None:
    held = Held()
    server = Background(Service(held, service().contract), Limits(lull=0))
    first = sent(server.port, [ROW] * 600)  # more than all workers take at once
    assert held.requested.wait(60)
    until(lambda: waiting(server) > 0)
    before = waiting(server)
    second = sent(server.port, {"sentence": "gone", "age": 1})
    until(lambda: waiting(server) > before)
    second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not a polite end
    second.close()
    until(lambda: len(server.server.connections) == 1)
    held.go.set()
    assert status(first) == 200
    assert {"sentence": "gone", "age": 1} not in held.seen
    text = server.server.service.answer(_metrics()).body.decode()
    assert re.search(r'^mlspec_requests_total\{.*status="499"\} 1$', text, re.MULTILINE)
    assert re.search(r"^mlspec_requests_in_flight\{.*\} 1$", text, re.MULTILINE)  # the one that asks for this
    first.close()
    assert server.stop()


def test_more_connections_than_the_limit() -> None:
    server = Background(service(), Limits(connections=2, lull=0))
    with ExitStack() as open_ones:
        for _ in "ab":
            open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
        until(lambda: len(server.server.connections) == 2)
        third = open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
        assert b" 503 " in third.recv(65536)
    until(lambda: not server.server.connections)
    assert ask(server.port, BODY.encode())[0] == 200
    assert server.stop()


def test_a_model_that_returns_too_few_predictions_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    class Short(Yes):
        def compute(self, prepared: Sequence[Any], alone: bool = True) -> Sequence[Any]:
            return super().compute(prepared, alone)[1:]

    server = Background(Service(Short(), service().contract), Limits(lull=0))
    assert ask(server.port, BODY.encode())[0] == 500
    assert "0 predictions for 1 rows" in capsys.readouterr().err
    assert server.stop()


def test_a_row_that_the_model_fails_on_fails_no_other_request(capsys: pytest.CaptureFixture[str]) -> None:
    class Together(Yes):
        go = threading.Event()

        def compute(self, prepared: Sequence[Any], alone: bool = True) -> Sequence[Any]:
            assert self.go.wait(60)
            return super().compute(prepared, alone)

    server = Background(Service(Together(), service().contract), Limits(lull=0))
    rows = [{"sentence": "fail" if n == 7 else "why", "age": n} for n in range(20)]
    callers = [sent(server.port, row) for row in rows]
    Together.go.set()
    assert [status(c) for c in callers] == [500 if n == 7 else 200 for n in range(20)]
    for caller in callers:
        caller.close()
    assert server.stop()
    assert "the graph is damaged" in capsys.readouterr().err


def test_slow_and_silent_clients_time_out() -> None:
    server = Background(service(), Limits(reading=0.2, idle=1, parting=0.2, lull=0))
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as slow,
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as silent,
    ):
        slow.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 10\r\n\r\n{")
        assert b" 408 " in slow.recv(65536)
        assert silent.recv(65536) == b""
        until(lambda: not server.server.connections)
    assert server.stop()


def test_a_head_without_end_is_refused(server: Background) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as endless:
        endless.sendall(b"GET / HTTP/1.1\r\na: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(10_000):
                endless.sendall(b"b" * 10_000)
                if select.select([endless], [], [], 0)[0]:
                    break
        assert b" 431 " in endless.recv(65536)


def test_bodies_on_their_way_have_a_bound_all_together() -> None:
    server = Background(service(), Limits(memory=1_000_000, lull=0))
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n"
    with ExitStack() as open_ones:
        two = [open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60)) for _ in "ab"]
        for one in two:
            one.sendall(head + b" " * 590_000)
        readable, _, _ = select.select(two, [], [], 60)
        assert b" 503 " in readable[0].recv(65536)
    until(lambda: server.server.held == 0)
    assert ask(server.port, BODY.encode())[0] == 200
    assert server.stop()
