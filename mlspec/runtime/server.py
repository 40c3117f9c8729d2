"""The HTTP server: one event loop for all connections, worker threads for the model, graceful shutdown.

Limits on sizes, times and counts apply before a request reaches the model.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Final

from mlspec.runtime.access_log import AccessLog
from mlspec.runtime.batching import BatchJob
from mlspec.runtime.connection import Connection
from mlspec.runtime.cores import cores
from mlspec.runtime.limits import Limits
from mlspec.runtime.service import Answer, PendingRequest, Request, Service
from mlspec.runtime.workers import Result, Workers

_LARGE: Final = 32 * 1024
"""Body size in bytes above which it is parsed in a separate thread, so that the event loop is not blocked."""
_TICK: Final = 0.5
_SEND_BUFFER: Final = 131_072


class Server:
    """Serves one Service in the running event loop."""

    def __init__(self, service: Service, limits: Limits, log: bool = True) -> None:
        self.service, self.limits = service, limits
        self.now, self.held = time.monotonic(), 0
        self._log = AccessLog() if log else None
        self.connections: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        self._workers = Workers(service, cores(), limits.rows, limits.wait)
        self._readers = ThreadPoolExecutor(1, "reader")
        self._empty = asyncio.Event()
        self._pending: dict[Connection, BatchJob] = {}
        self._tick()

    async def listen(self, sock: socket.socket) -> None:
        """Accept connections on a bound socket."""
        self._socket = sock
        self._listening = await self._loop.create_server(lambda: Connection(self), sock=sock, backlog=1024)

    async def stop(self) -> bool:
        """Become not ready, stop accepting, and wait for active requests. Returns whether all were completed."""
        self.service.ready = False
        await self._stop_listening()
        await self._emptied(self.limits.lull)
        for connection in list(self.connections):
            connection.close_if_idle()
        drained = await self._emptied(self.limits.grace)
        if not drained:
            drained = not any(connection.busy for connection in self.connections)
            for connection in list(self.connections):
                connection.abort()
        self._workers.close()
        self._readers.shutdown(wait=False)
        self._timer.cancel()
        if self._log:
            self._log.close()
        return drained

    async def _emptied(self, seconds: float) -> bool:
        """Wait at most `seconds` for all connections to close. Returns whether they did."""
        if self.connections:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
        return not self.connections

    async def _stop_listening(self) -> None:
        """Stop listening, but accept the connections in the backlog, which the kernel has already established."""
        sockets = []
        with contextlib.suppress(OSError):
            while True:
                sockets.append(self._socket.accept()[0])
        self._listening.close()
        self._socket.close()
        for one in sockets:
            await self._loop.connect_accepted_socket(lambda: Connection(self), one)

    def _tick(self) -> None:
        self.now = time.monotonic()
        self.date = f"Date: {formatdate(usegmt=True)}\r\n"
        for connection in list(self.connections):
            connection.tick(self.now, self.limits)
        self._timer = self._loop.call_later(_TICK, self._tick)

    def add(self, connection: Connection) -> bool:
        """Register the connection. Returns False if there are too many."""
        self.connections.add(connection)
        return len(self.connections) <= self.limits.connections

    def remove(self, connection: Connection) -> None:
        """Unregister a closed connection, and cancel its request."""
        self.connections.discard(connection)
        job = self._pending.pop(connection, None)
        if job is not None:
            self._workers.forget(job)
            self.service.drop(job.pending)
        if not self.connections:
            self._empty.set()

    def later(self, call: Callable[[], None]) -> None:
        """Run `call` after the other connections had their turn."""
        self._loop.call_soon(call)

    def ask(self, connection: Connection, request: Request) -> Answer | None:
        """The answer, or None if it will be passed to `connection.answer` later."""
        if len(request.body) <= _LARGE:
            return self._proceed(connection, request, self.service.begin(request))
        reading = self._loop.run_in_executor(self._readers, self.service.begin, request)
        reading.add_done_callback(lambda done: self._was_read(connection, request, done.result()))
        return None

    def _was_read(self, connection: Connection, request: Request, pending: Answer | PendingRequest) -> None:
        if connection not in self.connections:
            if isinstance(pending, PendingRequest):
                self.service.drop(pending)
            return
        answer = self._proceed(connection, request, pending)
        if answer is not None:
            connection.answer(answer)

    def _proceed(self, connection: Connection, request: Request, pending: Answer | PendingRequest) -> Answer | None:
        if isinstance(pending, Answer):
            return self._noted(request, pending, 0.0)
        try:
            self._pending[connection] = self._workers.submit(
                pending, lambda pending, result: self._computed(connection, pending, result)
            )
        except Exception as error:  # noqa: BLE001 - also RefusedError if the queue is full
            return self._noted(request, self.service.fail(pending, error), 0.0)
        return None

    def _computed(self, connection: Connection, pending: PendingRequest, result: Result) -> None:
        self._pending.pop(connection, None)
        answer = (
            self.service.fail(pending, result)
            if isinstance(result, Exception)
            else self.service.finish(pending, result)
        )
        connection.answer(self._noted(pending.request, answer, time.perf_counter() - pending.began))

    def _noted(self, request: Request, answer: Answer, seconds: float) -> Answer:
        if self._log:
            self._log.note(answer.headers["X-Request-Id"], request.method, request.path, answer.status, seconds)
        return answer


def bound(host: str, port: int) -> socket.socket:
    """A socket that is bound to the address but not listening. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by every connection: limits the kernel memory for data that clients do not read.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def more_files() -> None:
    """Raise the limit of open files, up to 16,384, for more connections."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = 16_384 if hard == resource.RLIM_INFINITY else min(16_384, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))


def loop() -> asyncio.AbstractEventLoop:
    """A new event loop: uvloop if it is installed, which needs half the CPU time of asyncio's."""
    with contextlib.suppress(ImportError):
        import uvloop

        loop_: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        return loop_
    return asyncio.new_event_loop()
