"""Callers that ask as fast as they are answered, in one process of raw sockets: what it costs, the server lacks.

python benchmarks/_load.py PORT PATH BODIES.json CLIENTS SECONDS [each]
"""

from __future__ import annotations

import json
import selectors
import socket
import statistics
import sys
import time
from pathlib import Path

WARM = 0.2
"""Share of the time that does not count."""


class Caller:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer, self.began = b"", 0.0

    def ask(self, request: bytes) -> None:
        self.answer, self.began = b"", time.perf_counter()
        self.socket.sendall(request)

    def hear(self) -> bool:
        """Whether the answer is whole."""
        data = self.socket.recv(65536)
        if not data:
            raise SystemExit(f"the server hung up after {self.answer[:300]!r}")
        self.answer += data
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if not end:
            return False
        _, _, length = head.lower().partition(b"content-length:")
        return len(body) >= int(length.split(b"\r\n")[0]) if length else body.endswith(b"0\r\n\r\n")


def requests(path: str, bodies: list[str]) -> list[bytes]:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
    return [f"{head}{len(body.encode())}\r\n\r\n{body}".encode() for body in bodies]


def load(
    port: int, path: str, bodies: list[str], clients: int, seconds: float, each: list[tuple[float, float]] | None = None
) -> dict[str, float]:
    """Answers a second and their latencies in milliseconds; stops the program at the first that is not a 200.

    `each` receives the time since 1970 and the latency of every answer, in seconds.
    """
    prepared, number, took = requests(path, bodies), 0, []
    selector = selectors.DefaultSelector()
    start = time.perf_counter()
    for _ in range(clients):
        caller = Caller(port)
        selector.register(caller.socket, selectors.EVENT_READ, caller)
        caller.ask(prepared[number % len(prepared)])
        number += 1
    now, counted_from = start, start + seconds * WARM
    while now < start + seconds:
        for key, _ in selector.select(1):
            caller = key.data
            if caller.hear():
                now = time.perf_counter()
                if b" 200 " not in caller.answer[:16]:
                    raise SystemExit(f"not an answer: {caller.answer[:600]!r}")
                if each is not None:
                    each.append((time.time(), now - caller.began))
                if now > counted_from:
                    took.append(now - caller.began)
                caller.ask(prepared[number % len(prepared)])
                number += 1
    took.sort()
    return {
        "answers": number - clients,
        "rate": len(took) / (now - counted_from),
        "p50": statistics.median(took) * 1000,
        "p99": took[int(len(took) * 0.99)] * 1000,
    }


if __name__ == "__main__":
    port, path, file, clients, seconds, *whole = sys.argv[1:]
    bodies = json.loads(Path(file).read_text(encoding="utf-8"))
    each: list[tuple[float, float]] | None = [] if whole else None
    summary = load(int(port), path, bodies, int(clients), float(seconds), each)
    print(json.dumps(each if whole else summary))
