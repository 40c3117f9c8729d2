"""HTTP/1.1 (RFC 9112) on one connection: bytes to requests, one after the other, and responses back.

Reading pauses after a few pipelined requests, and no request is started while the client does not read responses, so
that a connection holds little more than one body in memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol, cast
from urllib.parse import unquote

import httptools

from mlspec.runtime.limits import Limits
from mlspec.runtime.rows import RefusedError
from mlspec.runtime.service import Answer, Request, Service

_MOST_HEAD = 32 * 1024
_MOST_TARGET = 8 * 1024
_MOST_HEADERS = 100
_AHEAD = 4
"""Pipelined requests of one connection that are read before the first is answered."""
_AT_ONCE: Final = 16
"""Requests of one connection that are answered in a row before other connections get their turn."""
_STATUS: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Owner(Protocol):
    """The interface of the server that a connection uses."""

    service: Service
    limits: Limits
    now: float
    """Monotonic time of the last tick, in seconds."""
    held: int
    """Bytes of all bodies that are being received."""
    date: str
    """The header `Date`, with its line end."""

    def add(self, connection: Connection) -> bool:
        """Register the connection. Returns False if there are too many."""

    def remove(self, connection: Connection) -> None:
        """Unregister the connection."""

    def later(self, call: Callable[[], None]) -> None:
        """Run `call` after the other connections had their turn."""

    def ask(self, connection: Connection, request: Request) -> Answer | None:
        """The answer, or None if it will be passed to `Connection.answer` later."""


class Connection(asyncio.Protocol):
    """The connection of one client."""

    def __init__(self, server: Owner) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._requests: deque[tuple[Request, bool, bool]] = deque()
        self._stuck = self._closing = self._paused = self._ended = False
        self.busy = False
        """Whether a request is being answered."""
        self.since = server.now
        """Start of the current state (receiving a request, or idle), in monotonic seconds."""
        self._start()

    def _start(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = self._head = self._count = 0
        self._reading = self._in_body = self._expects = False
        self._refused: RefusedError | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection; refuse it if there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.add(self):
            self._refuse(RefusedError(503, "overloaded", "too many connections", headers={"Retry-After": "1"}))

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """Release the resources of the closed connection."""
        self._closing = True
        self._requests.clear()
        self._server.held -= self._size
        self._size = 0
        self._server.remove(self)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes and start the next request."""
        if self._closing or self._ended:
            return
        if self._reading and not self._in_body:
            self._head += len(data)  # the parser does not limit the size of the headers
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._ended = True  # the bytes that follow are of another protocol, which is not supported
        except httptools.HttpParserError as error:
            self._refused = self._refused or RefusedError(400, "bad-http", _sentence(error))
        if not self._in_body and self._head > _MOST_HEAD:
            self._refused = self._refused or RefusedError(431, "bad-http", "the headers are too large")
        if self._refused and not self._requests and not self.busy:
            self._refuse(self._refused)
        else:
            self._advance()

    def eof_received(self) -> bool:
        """The client has closed its sending side; it may still read."""
        if self._reading and not self._refused:
            self._refused = RefusedError(400, "cut-short", f"the request ended after {self._size} bytes of its body")
        self._ended = True
        if not self.busy and not self._requests:
            if self._refused and not self._closing:
                self._refuse(self._refused)
            else:
                self._transport.close()
        return True

    def pause_writing(self) -> None:
        """The client does not read: start no further requests."""
        self._stuck, self.since = True, self._server.now

    def resume_writing(self) -> None:
        """The client reads again: continue."""
        self._stuck = False
        self._advance()

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        """The first byte of a request was received."""
        self._start()
        self._reading, self.since = True, self._server.now

    def on_url(self, url: bytes) -> None:
        """Append a part of the request target."""
        self._url += url
        if len(self._url) > _MOST_TARGET:
            self._refused = RefusedError(414, "bad-http", "the request's target is too long")
            raise ValueError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; the last of several with one name is kept."""
        self._count += 1
        self._head += len(name) + len(value)
        if self._count > _MOST_HEADERS or self._head > _MOST_HEAD:
            self._refused = RefusedError(431, "bad-http", "the headers are too many or too large")
            raise ValueError
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Refuse a body that is too large before it is received."""
        self._in_body, self._head = True, 0
        length, most = self._headers.get("content-length", "0"), self._server.limits.body
        if length.isdigit() and int(length) > most:
            self._refused = RefusedError(413, "too-large", f"the body has {length} bytes, the limit is {most}")
            raise ValueError
        self._expects = self._headers.get("expect", "").lower() == "100-continue"
        self._continue()

    def on_body(self, body: bytes) -> None:
        """Append a part of the body."""
        self._size += len(body)
        self._server.held += len(body)
        self._body.append(body)
        self._expects = False
        if self._size > self._server.limits.body:
            most = self._server.limits.body
            self._refused = RefusedError(413, "too-large", f"the body is larger than the limit of {most} bytes")
        elif self._server.held > self._server.limits.memory:
            self._refused = RefusedError(503, "overloaded", "too many bytes in flight", headers={"Retry-After": "1"})
        if self._refused:
            raise ValueError

    def on_message_complete(self) -> None:
        """Queue the complete request."""
        method = self._parser.get_method().decode("latin-1")
        request = Request(method, _path(self._url), self._headers, b"".join(self._body))
        stays = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        self._requests.append((request, stays, self._parser.get_http_version() == "1.0"))
        self._server.held -= self._size
        self._start()
        if len(self._requests) >= _AHEAD and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    # Answers.

    def _continue(self) -> None:
        """Send `100 Continue` if the client waits for it and its request is next."""
        if self._expects and not self.busy and not self._requests:
            self._expects = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _advance(self) -> None:
        """Start the next request, and the following ones as long as answers are available immediately."""
        for _ in range(_AT_ONCE):
            if not self._requests or self.busy or self._stuck or self._closing:
                break
            self._current = self._requests.popleft()
            self.busy = True
            answer = self._server.ask(self, self._current[0])
            if answer is not None:
                self._write(answer)
        if self.busy or self._closing or self._stuck:
            return
        if self._requests:
            self._server.later(self._advance)
        elif self._refused:
            self._refuse(self._refused)
        elif self._ended:
            self._transport.close()
        else:
            self._continue()
            if self._paused:
                self._paused = False
                self._transport.resume_reading()

    def answer(self, answer: Answer) -> None:
        """Send the answer to the current request and continue."""
        if not self._closing:
            self._write(answer)
            self._advance()

    def _write(self, answer: Answer) -> None:
        request, stays, old = self._current
        stays = stays and self._server.service.ready
        extra = "" if stays and not old else f"Connection: {'keep-alive' if stays else 'close'}\r\n"
        self._transport.write(self._bytes(answer, extra, request.method == "HEAD"))
        self.busy, self.since = False, self._server.now
        if not stays:
            self._finish()

    def _bytes(self, answer: Answer, extra: str, without_body: bool) -> bytes:
        headers = "".join([f"{name}: {value}\r\n" for name, value in answer.headers.items()])
        status = _STATUS[answer.status]
        head = f"{status}{headers}Content-Length: {len(answer.body)}\r\n{self._server.date}{extra}\r\n"
        return head.encode("latin-1") + (b"" if without_body else answer.body)

    def _refuse(self, error: RefusedError) -> None:
        """Send an error and close the connection."""
        answer = self._server.service.refuse(error, _path(self._url))
        self._transport.write(self._bytes(answer, "Connection: close\r\n", False))
        self._finish()

    def _finish(self) -> None:
        """Close, but keep reading for a moment: unread bytes cause a TCP reset, which would discard the response."""
        self._closing, self.since = True, self._server.now
        self._requests.clear()
        if self._ended or not self._transport.can_write_eof():
            self._transport.close()
        else:
            self._transport.write_eof()
            self._paused = False
            self._transport.resume_reading()

    def close_if_idle(self) -> None:
        """Close the connection if no request is being received or answered."""
        if not (self.busy or self._requests or self._reading or self._closing):
            self._finish()

    def abort(self) -> None:
        """Close the connection immediately."""
        self._transport.abort()

    def tick(self, now: float, limits: Limits) -> None:
        """Enforce the timeouts of the connection."""
        waited = now - self.since
        if (self._closing and waited > limits.parting) or (self._stuck and waited > limits.writing):
            self._transport.abort()
        elif self.busy or self._closing or self._stuck:
            return
        elif self._reading and waited > limits.reading:
            self._refuse(RefusedError(408, "too-slow", f"the request did not arrive within {limits.reading:g} s"))
        elif not self._reading and waited > limits.idle:
            self._finish()


def _path(url: bytes) -> str:
    """The path of a request target, without the query, and without the host of an absolute-form target."""
    path = url.partition(b"?")[0].decode("latin-1")
    if path.startswith(("http://", "https://")):
        path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
    return unquote(path) if "%" in path else path


def _sentence(error: Exception) -> str:
    return f"invalid HTTP request: {str(error) or 'parse error'}"[:200]
