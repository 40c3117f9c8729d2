"""The service as a program, `python -m mlspec.runtime.http`: the image's default command. Or in a thread, for tests."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlspec.runtime.limits import Limits
from mlspec.runtime.preprocess.bundle_errors import BundleError
from mlspec.runtime.server import Server, bound, loop, more_files
from mlspec.runtime.service import Service, load

_USUAL = Limits()


class Background:
    """A server on 127.0.0.1 in a thread of this process: `port`, and `stop`."""

    def __init__(self, service: Service, limits: Limits = _USUAL, log: bool = False) -> None:
        self._socket = bound("127.0.0.1", 0)
        self.port: int = self._socket.getsockname()[1]
        self._loop = loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="server", daemon=True)
        self._thread.start()
        self.server = asyncio.run_coroutine_threadsafe(self._started(service, limits, log), self._loop).result()

    async def _started(self, service: Service, limits: Limits, log: bool) -> Server:
        server = Server(service, limits, log)
        await server.listen(self._socket)
        return server

    def stop(self) -> bool:
        """Whether every request under way came to its end."""
        drained = asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        return drained


@contextmanager
def running(service: Service, limits: Limits = _USUAL) -> Iterator[int]:
    """The service on 127.0.0.1 while the context lasts. Gives its port; it writes no log."""
    server = Background(service, limits)
    try:
        yield server.port
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
        return serve(options.bundle, options.host, options.port, Limits(body=options.max_body), _told)
    except BundleError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
    except OSError as error:
        sys.stderr.write(f"{parser.prog}: {options.host}:{options.port} cannot be listened on: {error.strerror}\n")
    return 1


def serve(bundle: Path, host: str, port: int, limits: Limits, told: Callable[[Service, str, int], None]) -> int:
    """Serve until a signal says stop; `told` learns where. Raises BundleError, and OSError for the address."""
    with bound(host, port) as sock:
        service = load(bundle, shared=True)
        service.warm_up()
        more_files()
        running = loop()
        try:
            return running.run_until_complete(_until_a_signal(service, sock, limits, told))
        finally:
            running.close()


async def _until_a_signal(
    service: Service, sock: socket.socket, limits: Limits, told: Callable[[Service, str, int], None]
) -> int:
    stopping, here = asyncio.Event(), asyncio.get_running_loop()
    numbers = () if sys.platform == "win32" else (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        here.add_signal_handler(number, stopping.set)
    server = Server(service, limits)
    host, port = sock.getsockname()[:2]
    await server.listen(sock)
    told(service, host, port)
    await stopping.wait()
    for number in numbers:  # whoever asks a second time does not want to wait
        here.remove_signal_handler(number)
    return 0 if await server.stop() else 1


def _told(service: Service, host: str, port: int) -> None:
    """The first line of the log."""
    model = service.contract
    sys.stdout.write(json.dumps({"serving": model.name, "version": model.version, "host": host, "port": port}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
