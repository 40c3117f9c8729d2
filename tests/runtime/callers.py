"""Callers on real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
import time
from collections.abc import Callable
from typing import Any


def ask(port: int, body: bytes, path: str = "/predict", **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        with contextlib.suppress(ConnectionError):  # a refusal may come before the last byte is sent
            connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def sent(port: int, row: object) -> socket.socket:
    """A connection on which a request has been sent."""
    body = json.dumps(row).encode()
    created = socket.create_connection(("127.0.0.1", port), timeout=60)
    created.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    return created


def status(connection: socket.socket) -> int:
    return int(connection.recv(65536).split()[1])


def readable(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)
