"""The live page of a served model, over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlspec.cli.monitor_server import REFRESH, LatestState, monitor_server
from mlspec.errors import StageError
from mlspec.monitoring.monitor_state import MonitorState
from tests.conftest import CHECKOUT
from tests.monitoring.log_lines import SIGNATURE
from tests.monitoring.watched import Service
from tests.report.monitor_states import full_state


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def measured_states() -> list[str]:
    return []


@pytest.fixture
def address(clock: Clock, measured_states: list[str]) -> Iterator[str]:
    """A server whose states are counted in `measured_states`; the third fails."""

    def make() -> MonitorState:
        measured_states.append("state")
        if len(measured_states) == 3:
            raise StageError("the store is damaged", help="restore it")
        return full_state(f"cola {len(measured_states)}")

    server = monitor_server(LatestState(make, clock), "127.0.0.1", 0, refresh=1)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@contextmanager
def serving(make: Callable[[], MonitorState], patience: float = 60.0) -> Iterator[int]:
    """The port of a running server."""
    server = monitor_server(LatestState(make), "127.0.0.1", 0, patience=patience)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def connected(port: int, *, buffer: int = 0) -> socket.socket:
    """A connection; with `buffer` it takes no more bytes than that before it reads."""
    client = socket.socket()
    if buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(("127.0.0.1", port))
    return client


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that ends a connection with a reset."""


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_state_is_shared_until_it_is_old(address: str, clock: Clock, measured_states: list[str]) -> None:
    assert "cola 1" in get(f"{address}/")[1]
    assert json.loads(get(f"{address}/state.json")[1])["project"] == "cola 1"
    assert len(measured_states) == 1
    clock.now += REFRESH
    assert "cola 2" in get(f"{address}/?x=1")[1]


def test_a_state_that_cannot_be_created_is_reported_and_the_next_one_is_created(address: str, clock: Clock) -> None:
    for _ in range(2):
        get(address)
        clock.now += REFRESH
    assert get(address) == (503, "the store is damaged\nrestore it\n")
    assert get(address)[0] == 200


def test_other_paths_are_not_found(address: str) -> None:
    assert get(f"{address}/other") == (404, "not found: the paths are /, /state.json and /metrics\n")


def test_the_head_of_a_page_has_its_length_and_no_body(address: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(f"{address}/", method="HEAD")) as response:
        assert (response.status, int(response.headers["Content-Length"]) > 1000, response.read()) == (200, True, b"")


def test_a_store_that_cannot_be_read_is_named() -> None:
    def make() -> MonitorState:
        raise OSError(28, "No space left on device", "state/drift.json")

    with serving(make) as port:
        status, text = get(f"http://127.0.0.1:{port}/")
    assert (status, "No space left on device: 'state/drift.json'" in text) == (503, True)


@pytest.mark.parametrize("sent", [b"", REQUEST[:8], REQUEST], ids=["nothing", "half a request", "a request"])
def test_a_client_that_disconnects_early_is_not_an_error(sent: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """While its state is measured: the answer has nobody to go to."""
    measuring, gone = threading.Event(), threading.Event()

    def make() -> MonitorState:
        measuring.set()
        assert gone.wait(60)
        return full_state("cola")

    with serving(make) as port:
        client = connected(port)
        client.sendall(sent)
        if sent == REQUEST:
            assert measuring.wait(60)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        gone.set()
        assert get(f"http://127.0.0.1:{port}/")[0] == 200
    assert capfd.readouterr().err == ""


def test_clients_that_neither_read_nor_send_delay_no_other_client_and_are_disconnected(
    capfd: pytest.CaptureFixture[str],
) -> None:
    large = replace(full_state("cola"), notes=tuple(f"note {n} {'x' * 1000}" for n in range(20_000)))
    with serving(lambda: large, patience=0.5) as port:
        slow, silent = connected(port, buffer=1024), connected(port)
        slow.sendall(REQUEST)
        silent.sendall(REQUEST[:8])
        assert b"200 OK" in slow.recv(64)
        status, text = get(f"http://127.0.0.1:{port}/")
        assert (status, "note 19999" in text) == (200, True)
        assert silent.recv(1) == b""
        received = 64
        while part := slow.recv(2**20):
            received += len(part)
        assert received < len(text)
        slow.close()
        silent.close()
    assert capfd.readouterr().err == ""


def test_clients_at_once_share_one_measurement() -> None:
    counted: list[int] = []
    ready = threading.Barrier(4)

    def make() -> MonitorState:
        counted.append(1)
        return full_state("cola")

    def ask(port: int, answers: list[int]) -> None:
        ready.wait(60)
        answers.append(get(f"http://127.0.0.1:{port}/")[0])

    with serving(make) as port:
        answers: list[int] = []
        clients = [threading.Thread(target=ask, args=(port, answers)) for _ in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    assert (answers, len(counted)) == ([200] * 4, 1)


def test_two_browsers_at_once_of_which_one_is_closed(chromium: Any, address: str, clock: Clock) -> None:
    one, other = chromium.new_page(), chromium.new_page()
    for page in (one, other):
        page.goto(address)
        page.get_by_text("cola 1").first.wait_for()
    clock.now += REFRESH
    one.close()
    other.get_by_text("cola 2").first.wait_for()
    assert "does not answer" not in str(other.locator(".when").text_content())
    other.close()


def test_ctrl_c_stops_the_server_while_clients_are_connected(tmp_path: Path) -> None:
    spec = "project: {name: shop}\ndata:\n  source: data/rows.csv\n"
    spec += "  inputs: {age: number, town: category, sentence: text}\n"
    spec += '  target: {column: label, labels: ["no", "yes"]}\nmodel: {type: custom, class: src.model:Net}\n'
    (tmp_path / "mlproject.yaml").write_text(spec + "monitor: {drift: {}}\n", encoding="utf-8")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "model.py").write_text("class Net:\n    pass\n", encoding="utf-8")
    (tmp_path / "artifacts" / "bundle").mkdir(parents=True)
    (tmp_path / "artifacts" / "bundle" / "signature.json").write_text(json.dumps(SIGNATURE.to_json()))
    Service(tmp_path / ".mlspec" / "monitor").answer(50)
    command = [sys.executable, "-m", "mlspec", "monitor", "--serve", "--port", "0", "--last", "30d"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        output = ""
        while not (port := re.search(r"http://127\.0\.0\.1:(\d+)", output)):
            line = process.stderr.readline()
            assert line, output
            output += line
        silent, asking = connected(int(port[1])), connected(int(port[1]))
        asking.sendall(REQUEST)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "Traceback" not in process.stderr.read()
        silent.close()
        asking.close()
    finally:
        process.kill()
        process.wait()
