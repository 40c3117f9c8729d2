"""The server as a program of its own: callers that never read, and a stop while others ask."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.bundles import text_bundle
from tests.conftest import CHECKOUT
from tests.runtime.callers import ask, until

GOOD = b'{"sentence": "the cat sat"}'


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The server as a program of its own, and its port."""
    bundle = text_bundle(tmp_path / "bundle")
    command = [sys.executable, "-m", "mlspec.runtime.http", "--bundle", str(bundle), "--port", "0"]
    with (tmp_path / "log").open("w") as log:
        created = subprocess.Popen(command, stdout=log, text=True, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    try:
        until(lambda: (tmp_path / "log").read_text().endswith("}\n"))
        yield created, json.loads((tmp_path / "log").read_text())["port"]
    finally:
        created.kill()
        created.wait()


def test_a_thousand_clients_that_never_read(process: tuple[subprocess.Popen[str], int]) -> None:
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
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
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
        thread.join(60)
    assert server.wait(60) == 0
    assert lost == []
