"""Bytes of one connection to requests, one after the other, and their answers back. HTTP/1.1 as in RFC 9112.

Requests that a caller sends ahead wait here, unread beyond a few; a caller that does not read its answers is asked
nothing more. So no connection holds more than one body, and a little.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, Protocol, cast
from urllib.parse import unquote

import httptools

from mlspec.runtime.limits import Limits
from mlspec.runtime.rows import RefusedError
from mlspec.runtime.service import Answer, Request, Service

_MOST_HEAD = 32 * 1024
_MOST_TARGET = 8 * 1024
_MOST_HEADERS = 100
_AHEAD = 4
"""Requests of one connection that are read before the first of them is answered."""
_AT_ONCE: Final = 16
"""Requests of one connection that are answered in a row before others get their turn."""
_STATUS: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Owner(Protocol):
    """What a connection uses of the server that it belongs to."""

    service: Service
    limits: Limits
    now: float
    """Seconds of the monotonic clock, at the last tick."""
    held: int
    """Bytes of all bodies that are on their way in."""
    date: str
    """The header `Date`, with its line end."""

    def add(self, connection: Connection) -> bool:
        """Whether there is room for one more."""

    def remove(self, connection: Connection) -> None:
        """It has ended."""

    def later(self, call: Callable[[], None]) -> None:
        """Call it once every other connection has had a turn."""

    def ask(self, connection: Connection, request: Request) -> Answer | None:
        """The answer, or None where `Connection.answer` will get it."""


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: Owner) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._requests: deque[tuple[Request, bool, bool]] = deque()
        self._stuck = self._closing = self._paused = self._ended = False
        self.busy = False
        """Whether a request is being answered."""
        self.since = server.now
        """When what the connection waits for began: a request's first byte, or the silence before it."""
        self._start()

    def _start(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = self._head = self._count = 0
        self._reading = self._in_body = self._expects = False
        self._refused: RefusedError | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller is there."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.add(self):
            self._refuse(RefusedError(503, "overloaded", "too many connections", headers={"Retry-After": "1"}))

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """It is gone, whoever ended it."""
        self._closing = True
        self._requests.clear()
        self._server.held -= self._size
        self._size = 0
        self._server.remove(self)

    def data_received(self, data: bytes) -> None:
        """Some bytes."""
        if self._closing or self._ended:
            return
        if self._reading and not self._in_body:
            self._head += len(data)  # of a head without end the parser says nothing
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._ended = True  # what follows is another protocol, and not spoken here
        except httptools.HttpParserError as error:
            self._refused = self._refused or RefusedError(400, "bad-http", _sentence(error))
        if not self._in_body and self._head > _MOST_HEAD:
            self._refused = self._refused or RefusedError(431, "bad-http", "the headers are too large")
        if self._refused and not self._requests and not self.busy:
            self._refuse(self._refused)
        else:
            self._advance()

    def eof_received(self) -> bool:
        """The caller sends no more; it may still read."""
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
        """The caller does not read: nothing more is begun for it."""
        self._stuck, self.since = True, self._server.now

    def resume_writing(self) -> None:
        """It does again."""
        self._stuck = False
        self._advance()

    # What the parser says.

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._start()
        self._reading, self.since = True, self._server.now

    def on_url(self, url: bytes) -> None:
        """A piece of its target."""
        self._url += url
        if len(self._url) > _MOST_TARGET:
            self._refused = RefusedError(414, "bad-http", "the request's target is too long")
            raise ValueError

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; of several of one name the last counts."""
        self._count += 1
        self._head += len(name) + len(value)
        if self._count > _MOST_HEADERS or self._head > _MOST_HEAD:
            self._refused = RefusedError(431, "bad-http", "the headers are too many or too large")
            raise ValueError
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The body comes next; one that is too large is refused before it does."""
        self._in_body, self._head = True, 0
        length, most = self._headers.get("content-length", "0"), self._server.limits.body
        if length.isdigit() and int(length) > most:
            self._refused = RefusedError(413, "too-large", f"the body has {length} bytes, and {most} are the most")
            raise ValueError
        self._expects = self._headers.get("expect", "").lower() == "100-continue"
        self._continue()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._size += len(body)
        self._server.held += len(body)
        self._body.append(body)
        self._expects = False
        if self._size > self._server.limits.body:
            most = self._server.limits.body
            self._refused = RefusedError(413, "too-large", f"the body has more than the {most} bytes that it may have")
        elif self._server.held > self._server.limits.memory:
            self._refused = RefusedError(503, "overloaded", "too much is being sent", headers={"Retry-After": "1"})
        if self._refused:
            raise ValueError

    def on_message_complete(self) -> None:
        """The request is whole."""
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
        """Ask for the body that a careful caller holds back, once it is its turn."""
        if self._expects and not self.busy and not self._requests:
            self._expects = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _advance(self) -> None:
        """Begin the next request, and the one after where the answer was there at once."""
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
        """What the current request was waiting for."""
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
        told = "".join([f"{name}: {value}\r\n" for name, value in answer.headers.items()])
        status = _STATUS[answer.status]
        head = f"{status}{told}Content-Length: {len(answer.body)}\r\n{self._server.date}{extra}\r\n"
        return head.encode("latin-1") + (b"" if without_body else answer.body)

    def _refuse(self, error: RefusedError) -> None:
        """Say what is wrong with bytes that are no request, and hear no more."""
        self._transport.write(self._bytes(self._server.service.refuse(error), "Connection: close\r\n", False))
        self._finish()

    def _finish(self) -> None:
        """End, but read on for a moment: bytes left unread would make the system throw away the answer, too."""
        self._closing, self.since = True, self._server.now
        self._requests.clear()
        if self._ended or not self._transport.can_write_eof():
            self._transport.close()
        else:
            self._transport.write_eof()
            self._paused = False
            self._transport.resume_reading()

    def close_if_idle(self) -> None:
        """The server stops: end now, unless a request is on its way in or out."""
        if not (self.busy or self._requests or self._reading or self._closing):
            self._finish()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    def tick(self, now: float, limits: Any) -> None:
        """Hold the caller to its time."""
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
    """The path of a target: without its query, and without the host that a proxy's form has before it."""
    path = url.partition(b"?")[0].decode("latin-1")
    if path.startswith(("http://", "https://")):
        path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
    return unquote(path) if "%" in path else path


def _sentence(error: Exception) -> str:
    return f"this is not HTTP: {str(error) or 'the request cannot be read'}"[:200]
