"""What a server meets sooner or later, on a real socket: it answers or refuses, stays up, and loses nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mlspec.runtime.http import Background
from mlspec.runtime.server import Limits
from mlspec.runtime.service import Service, load
from tests.bundles import text_bundle
from tests.conftest import CHECKOUT
from tests.runtime.served import ROW, YES, Rows, Yes, service

BODY = json.dumps(ROW)
GOOD = b'{"sentence": "the cat sat"}'


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[Background]:
    made = Background(load(bundle), Limits(lull=0))
    yield made
    made.stop()


def ask(port: int, body: bytes, path: str = "/predict", **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        with contextlib.suppress(ConnectionError):  # a refusal may come before the last byte is sent
            connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


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
def test_a_request_at_fault_is_refused_and_the_next_is_answered(
    server: Background, path: str, body: bytes, status: int, code: str
) -> None:
    got, said = ask(server.port, body, path)
    assert (got, said["code"]) == (status, code)
    assert ask(server.port, GOOD)[0] == 200


class Held(Rows):
    """Answers when it is told to, however often it is asked."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        self.begun: list[Any] = []
        self.seen: list[Any] = []

    def compute(self, prepared: Sequence[Any], alone: bool = True) -> Sequence[Any]:
        self.begun += prepared
        self.asked.set()
        assert self.go.wait(20)
        self.seen += prepared
        return [YES for _ in prepared]


def sent(port: int, row: object) -> socket.socket:
    """A connection on which a request has been sent."""
    body = json.dumps(row).encode()
    made = socket.create_connection(("127.0.0.1", port), timeout=20)
    made.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    return made


def status(connection: socket.socket) -> int:
    return int(connection.recv(65536).split()[1])


def waiting(server: Background) -> int:
    text = server.server.service.answer(_metrics()).body.decode()
    (found,) = re.findall(r"^mlspec_queue_rows\{.*\} (\d+)$", text, re.MULTILINE)
    return int(found)


def _metrics() -> Any:
    from mlspec.runtime.service import Request

    return Request("GET", "/metrics")


def readable(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


def until(true: Any) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_beyond_what_can_wait_callers_are_sent_away_and_those_taken_are_answered() -> None:
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
    assert held.asked.wait(20)
    until(lambda: waiting(server) > 0)
    before = waiting(server)
    second = sent(server.port, {"sentence": "gone", "age": 1})
    until(lambda: waiting(server) > before)
    second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not a polite end
    second.close()
    until(lambda: len(server.server._connections) == 1)
    held.go.set()
    assert status(first) == 200
    assert {"sentence": "gone", "age": 1} not in held.seen
    first.close()
    assert server.stop()


def test_a_row_that_the_model_cannot_bear_fails_nobody_else(capsys: pytest.CaptureFixture[str]) -> None:
    class Together(Yes):
        go = threading.Event()

        def compute(self, prepared: Sequence[Any], alone: bool = True) -> Sequence[Any]:
            assert self.go.wait(20)
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


def test_slow_and_silent_callers_are_held_to_their_time() -> None:
    server = Background(service(), Limits(reading=0.2, idle=0.2, parting=0.2, lull=0))
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as silent,
    ):
        slow.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 10\r\n\r\n{")
        assert b" 408 " in slow.recv(65536)
        assert silent.recv(65536) == b""
        until(lambda: not server.server._connections)
    assert server.stop()


def test_a_head_without_end_is_refused(server: Background) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as endless:
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
        two = [open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20)) for _ in "ab"]
        for one in two:
            one.sendall(head + b" " * 590_000)
        readable, _, _ = select.select(two, [], [], 20)
        assert b" 503 " in readable[0].recv(65536)
    until(lambda: server.server.held == 0)
    assert ask(server.port, BODY.encode())[0] == 200
    assert server.stop()


@pytest.fixture
def process(bundle: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The server as a program of its own, and its port."""
    command = [sys.executable, "-m", "mlspec.runtime.http", "--bundle", str(bundle), "--port", "0"]
    with (tmp_path / "log").open("w") as log:
        made = subprocess.Popen(command, stdout=log, text=True, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    try:
        until(lambda: (tmp_path / "log").read_text().endswith("}\n"))
        yield made, json.loads((tmp_path / "log").read_text())["port"]
    finally:
        made.kill()
        made.wait()


def test_a_thousand_callers_that_never_read(process: tuple[subprocess.Popen[str], int]) -> None:
    server, port = process
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    ahead = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 200
    before = memory(server.pid)
    with ExitStack() as callers:
        for _ in range(1000):
            caller = callers.enter_context(socket.socket())
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.connect(("127.0.0.1", port))
            caller.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                caller.send(ahead)
        for _ in range(20):
            assert ask(port, GOOD)[0] == 200
        # Their 200,000 answers would take a gigabyte.
        assert memory(server.pid) - before < 200_000_000
    assert ask(port, GOOD)[0] == 200


def memory(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_stop_under_load_loses_no_request_that_was_accepted(process: tuple[subprocess.Popen[str], int]) -> None:
    server, port = process
    lost: list[str] = []
    answered = [0] * 16

    def caller(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while True:
            try:
                connection.connect()
            except OSError:
                return  # no longer accepted: the server has stopped
            while connection.sock is not None:
                try:
                    connection.request("POST", "/predict", GOOD)
                    response = connection.getresponse()
                    response.read()
                    answered[number] += 1
                    if response.status != 200:
                        lost.append(str(response.status))
                except OSError as error:
                    lost.append(repr(error))
                    return

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    until(lambda: min(answered) > 5)
    server.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(30)
    assert server.wait(20) == 0
    assert lost == []
