"""Serves a bundle over HTTP: `python -m mlspec.runtime.http`, the default command of the image."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlspec.runtime import log_policy
from mlspec.runtime.limits import Limits
from mlspec.runtime.log_setup import logging
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
        """Stop the server. Returns whether every active request was completed."""
        drained = asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        return drained


@contextmanager
def running(service: Service, limits: Limits = _USUAL) -> Iterator[int]:
    """Serve on 127.0.0.1 within the context, without an access log. Yields the port."""
    server = Background(service, limits)
    try:
        yield server.port
    finally:
        server.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a bundle until SIGTERM or Ctrl-C. Returns 0 if every active request was completed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m mlspec.runtime.http", description="Serve a bundle over HTTP.")
    parser.add_argument("--bundle", type=Path, default=Path(os.environ.get("MODEL_BUNDLE", "bundle")))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--max-body", type=int, default=Limits().body, help="maximum size of a request body in bytes")
    options = parser.parse_args(arguments)
    try:
        return serve(options.bundle, options.host, options.port, Limits(body=options.max_body), _announce)
    except BundleError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
    except OSError as error:
        sys.stderr.write(f"{parser.prog}: cannot listen on {options.host}:{options.port}: {error.strerror}\n")
    return 1


def serve(
    bundle: Path,
    host: str,
    port: int,
    limits: Limits,
    announce: Callable[[Service, str, int], None],
    policy: Path | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; `announce` is called with the address. Raises BundleError and OSError.

    `policy` is the file with the policy of the prediction log, by default `monitoring.json` beside the bundle.
    """
    with bound(host, port) as sock:
        service = load(bundle, shared=True)
        service.warm_up()
        gc.freeze()  # what was loaded stays: a collection examines only the objects of requests
        more_files()
        running = loop()
        with logging(service, "http", policy or bundle.parent / log_policy.FILE, os.environ):
            try:
                return running.run_until_complete(_until_a_signal(service, sock, limits, announce))
            finally:
                running.close()


async def _until_a_signal(
    service: Service, sock: socket.socket, limits: Limits, announce: Callable[[Service, str, int], None]
) -> int:
    stopping, loop_ = asyncio.Event(), asyncio.get_running_loop()
    numbers = () if sys.platform == "win32" else (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop_.add_signal_handler(number, stopping.set)
    server = Server(service, limits)
    host, port = sock.getsockname()[:2]
    await server.listen(sock)
    announce(service, host, port)
    await stopping.wait()
    for number in numbers:  # a second signal stops the process immediately
        loop_.remove_signal_handler(number)
    return 0 if await server.stop() else 1


def _announce(service: Service, host: str, port: int) -> None:
    """Log the address as the first line."""
    model = service.contract
    sys.stdout.write(json.dumps({"serving": model.name, "version": model.version, "host": host, "port": port}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
