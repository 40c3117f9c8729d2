"""The service behind a socket: one event loop for all callers, the model in threads beside it, and a calm way to stop.

Sizes, times and numbers are bounded before the model sees a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any, Final

from mlspec.runtime.access_log import AccessLog
from mlspec.runtime.batching import BatchJob
from mlspec.runtime.connection import Connection
from mlspec.runtime.cores import cores
from mlspec.runtime.limits import Limits
from mlspec.runtime.service import Answer, Asked, Request, Service
from mlspec.runtime.workers import Workers

_LARGE: Final = 32 * 1024
"""Bytes of a body from which reading it leaves the loop to others meanwhile."""
_TICK: Final = 0.5
_SEND_BUFFER: Final = 131_072


class Server:
    """Serves one Service, in the loop that is running."""

    def __init__(self, service: Service, limits: Limits, log: bool = True) -> None:
        self.service, self.limits = service, limits
        self.now, self.held = time.monotonic(), 0
        self._log = AccessLog() if log else None
        self._connections: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        self._workers = Workers(service, cores(), limits.rows, limits.wait)
        self._readers = ThreadPoolExecutor(1, "reader")
        self._empty = asyncio.Event()
        self._asked: dict[Connection, BatchJob] = {}
        self._tick()

    async def listen(self, sock: socket.socket) -> None:
        """Take callers at a socket that is bound."""
        self._socket = sock
        self._listening = await self._loop.create_server(lambda: Connection(self), sock=sock, backlog=1024)

    async def stop(self) -> bool:
        """Say `not ready`, accept no more, wait for what is under way. Whether all of it came to its end."""
        self.service.ready = False
        await self._close_door()
        await self._emptied(self.limits.lull)
        for connection in list(self._connections):
            connection.close_if_idle()
        drained = await self._emptied(self.limits.grace)
        if not drained:
            drained = not any(connection.busy for connection in self._connections)
            for connection in list(self._connections):
                connection.abort()
        self._workers.close()
        self._readers.shutdown(wait=False)
        self._timer.cancel()
        if self._log:
            self._log.close()
        return drained

    async def _emptied(self, seconds: float) -> bool:
        """Whether all connections end within that time."""
        if self._connections:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
        return not self._connections

    async def _close_door(self) -> None:
        """Listen no more, but take those who stand at the door: the system has told them already that they are in."""
        there = []
        with contextlib.suppress(OSError):
            while True:
                there.append(self._socket.accept()[0])
        self._listening.close()
        self._socket.close()
        for one in there:
            await self._loop.connect_accepted_socket(lambda: Connection(self), one)

    def _tick(self) -> None:
        self.now = time.monotonic()
        self.date = f"Date: {formatdate(usegmt=True)}\r\n"
        for connection in list(self._connections):
            connection.tick(self.now, self.limits)
        self._timer = self._loop.call_later(_TICK, self._tick)

    def add(self, connection: Connection) -> bool:
        """Whether there is room for one more."""
        self._connections.add(connection)
        return len(self._connections) <= self.limits.connections

    def remove(self, connection: Connection) -> None:
        """It has ended; nobody waits for its answer any more."""
        self._connections.discard(connection)
        job = self._asked.pop(connection, None)
        if job is not None:
            self._workers.forget(job)
            self.service.drop(job.asked)
        if not self._connections:
            self._empty.set()

    def later(self, call: Callable[[], None]) -> None:
        """Call it once everyone else has had a turn."""
        self._loop.call_soon(call)

    def ask(self, connection: Connection, request: Request) -> Answer | None:
        """The answer, or None where `connection.answer` will get it."""
        if len(request.body) <= _LARGE:
            return self._go_on(connection, request, self.service.begin(request))
        reading = self._loop.run_in_executor(self._readers, self.service.begin, request)
        reading.add_done_callback(lambda done: self._was_read(connection, request, done.result()))
        return None

    def _was_read(self, connection: Connection, request: Request, asked: Answer | Asked) -> None:
        if connection not in self._connections:
            if isinstance(asked, Asked):
                self.service.drop(asked)
            return
        answer = self._go_on(connection, request, asked)
        if answer is not None:
            connection.answer(answer)

    def _go_on(self, connection: Connection, request: Request, asked: Answer | Asked) -> Answer | None:
        if isinstance(asked, Answer):
            return self._noted(request, asked, 0.0)
        try:
            self._asked[connection] = self._workers.submit(
                asked, lambda asked, made: self._computed(connection, asked, made)
            )
        except Exception as error:  # noqa: BLE001 - refused for want of room
            return self._noted(request, self.service.fail(asked, error), 0.0)
        return None

    def _computed(self, connection: Connection, asked: Asked, made: Any) -> None:
        self._asked.pop(connection, None)
        failed = isinstance(made, Exception)
        answer = self.service.fail(asked, made) if failed else self.service.finish(asked, made)
        connection.answer(self._noted(asked.request, answer, time.perf_counter() - asked.began))

    def _noted(self, request: Request, answer: Answer, seconds: float) -> Answer:
        if self._log:
            self._log.note(answer.headers["X-Request-Id"], request.method, request.path, answer.status, seconds)
        return answer


def bound(host: str, port: int) -> socket.socket:
    """A socket at that address that does not listen yet. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by every connection: what callers do not read may fill no more of the system's memory than this.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        made.bind((host, port))
    except BaseException:
        made.close()
        raise
    return made


def more_files() -> None:
    """Let the process have as many connections open as the system lets it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 16_384 if hard == resource.RLIM_INFINITY else min(16_384, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def loop() -> asyncio.AbstractEventLoop:
    """A fresh event loop: uvloop's where it is installed, which costs half of Python's own."""
    with contextlib.suppress(ImportError):
        import uvloop

        made: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        return made
    return asyncio.new_event_loop()
