"""The service behind a socket: HTTP/1.1 with Python's own server, one thread a connection, and a calm way to stop.

No web framework: ONNX Runtime releases the GIL while it computes, so threads are enough, and an image without a
framework has nothing of it to patch. Sizes, time and connections are bounded before the model sees a request.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mlspec.runtime.errors import BundleError
from mlspec.runtime.rows import RefusedError
from mlspec.runtime.service import Answer, Request, Service, load

_IDLE_SECONDS = 30
"""How long a connection may be silent, within a request or between two."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server bears."""

    body: int = 8_388_608
    """Bytes of a request's body."""
    connections: int = 128
    """Open at once; more wait to be accepted."""
    grace: float = 20.0
    """Seconds that requests under way get when the server stops."""


class Server(ThreadingHTTPServer):
    """Serves one Service. `stop` lets what has begun come to its end."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], service: Service, limits: Limits, log: bool = True) -> None:
        self.service, self.limits, self.log = service, limits, log
        self._slots = threading.BoundedSemaphore(limits.connections)
        self._busy = 0
        self._idle = threading.Condition()
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Accept one more connection once there is room for it."""
        self._slots.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The life of one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up in the middle is no fault of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def answer(self, request: Request) -> Answer:
        """The service's answer."""
        return self.service.answer(request)

    def enter(self) -> None:
        """A request begins."""
        with self._idle:
            self._busy += 1

    def leave(self) -> None:
        """Its answer has been sent."""
        with self._idle:
            self._busy -= 1
            self._idle.notify_all()

    def stop(self) -> bool:
        """Say `not ready`, accept no more, wait for what is under way. Whether all of it came to its end."""
        self.service.ready = False
        self.shutdown()
        with self._idle:
            drained = self._idle.wait_for(lambda: self._busy == 0, self.limits.grace)
        self.server_close()
        return drained


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "mlspec", ""
    timeout = _IDLE_SECONDS
    wbufsize = 64 * 1024  # status, headers and body leave in one packet
    disable_nagle_algorithm = True
    server: Server

    def _handle(self) -> None:
        self.server.enter()
        began = time.perf_counter()
        try:
            answer = self._answer()
            self._send(answer)
            self.wfile.flush()
            self._note(answer.status, answer.headers["X-Request-Id"], time.perf_counter() - began)
        finally:
            self.server.leave()

    def __getattr__(self, name: str) -> Callable[[], None]:
        """The base class looks for `do_METHOD`; every method is answered, most of them with 405."""
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _answer(self) -> Answer:
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            body = self._body()
        except RefusedError as error:
            self.close_connection = True
            return self.server.service.refuse(error)
        return self.server.answer(Request(self.command, self.path.partition("?")[0], headers, body))

    def _body(self) -> bytes:
        """The request's body. Raises RefusedError before reading it where it is too large or has no length."""
        if "transfer-encoding" in self.headers:
            raise RefusedError(411, "length-required", "send the body with a Content-Length, not in chunks")
        lengths = self.headers.get_all("content-length") or []
        if not lengths:
            if self.command in ("POST", "PUT", "PATCH"):
                raise RefusedError(411, "length-required", "send the body with a Content-Length")
            return b""
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit() and len(lengths[0]) < 19):
            raise RefusedError(400, "bad-length", "Content-Length is one whole number")
        length, most = int(lengths[0]), self.server.limits.body
        if length > most:
            raise RefusedError(413, "too-large", f"the body has {length} bytes, and {most} are the most")
        body = self.rfile.read(length)
        if len(body) < length:
            raise RefusedError(400, "cut-short", f"the body ended after {len(body)} of {length} bytes")
        return body

    def handle_expect_100(self) -> bool:
        """Let no one send a body that would be refused."""
        length = self.headers.get("content-length", "0")
        if length.isdigit() and len(length) < 19 and int(length) <= self.server.limits.body:
            return super().handle_expect_100()
        return True

    def _send(self, answer: Answer) -> None:
        if not self.server.service.ready:
            self.close_connection = True
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What the base class refuses (no HTTP, too long a line, too many headers) is refused in our own form."""
        self.close_connection = True
        self.command = getattr(self, "command", None) or "GET"
        self._send(self.server.service.refuse(RefusedError(code, "bad-http", message or "this is not HTTP")))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: `_note` writes the one line a request is worth."""

    def _note(self, status: int, request_id: str, seconds: float) -> None:
        """One JSON line: never a body, a query or a header of the caller's."""
        if not self.server.log:
            return
        entry = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "request_id": request_id,
                 "method": self.command, "path": self.path.partition("?")[0][:200], "status": status,
                 "ms": round(seconds * 1000, 2)}  # fmt: skip
        sys.stdout.write(json.dumps(entry) + "\n")
        sys.stdout.flush()


@contextmanager
def running(service: Service, limits: Limits = Limits()) -> Iterator[int]:
    """The service on 127.0.0.1 while the context lasts. Gives its port; it writes no log."""
    server = Server(("127.0.0.1", 0), service, limits, log=False)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a bundle until SIGTERM or Ctrl-C. 0 when every request under way was answered."""
    parser = argparse.ArgumentParser(prog="python -m mlspec.runtime.http", description="Serve a bundle over HTTP.")
    parser.add_argument("--bundle", type=Path, default=Path(os.environ.get("MODEL_BUNDLE", "bundle")))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--max-body", type=int, default=Limits().body, help="bytes of a request's body")
    options = parser.parse_args(arguments)
    try:
        service = load(options.bundle)
    except BundleError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 1
    return serve(Server((options.host, options.port), service, Limits(body=options.max_body)))


def serve(server: Server) -> int:
    """Run `server` until a signal asks it to stop."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    threading.Thread(target=server.serve_forever, name="accept", daemon=True).start()
    host, port = server.server_address[:2]
    model = server.service.contract
    sys.stdout.write(json.dumps({"serving": model.name, "version": model.version, "host": host, "port": port}) + "\n")
    sys.stdout.flush()
    stopping.wait()
    return 0 if server.stop() else 1


if __name__ == "__main__":
    sys.exit(main())
