"""The state of a served model, live in a browser: one page that replaces its content, the state as
JSON, and its gauges for Prometheus."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from mlspec.cli.monitor_text import state_json
from mlspec.errors import MlspecError
from mlspec.monitoring.monitor_metrics import metrics_text
from mlspec.monitoring.monitor_state import MonitorState
from mlspec.report.monitor_page import monitor_page
from mlspec.runtime.counters import CONTENT_TYPE

REFRESH: Final = 5
"""Seconds between two states of an open page."""
_PLAIN: Final = "text/plain; charset=utf-8"
PATIENCE: Final = 60.0
"""Seconds that a client has to send its request, and to read the answer."""


class LatestState:
    """The newest state, made at most once in REFRESH seconds for all clients. Thread-safe."""

    def __init__(self, make: Callable[[], MonitorState], clock: Callable[[], float] = time.monotonic) -> None:
        self._make, self._clock = make, clock
        self._lock = threading.Lock()
        self._state: MonitorState | None = None
        self._measured = 0.0

    def get(self) -> MonitorState:
        """The state; made again if it is too old. Raises MlspecError if it cannot be made."""
        with self._lock:
            now = self._clock()
            if self._state is None or now - self._measured >= REFRESH:
                self._state, self._measured = self._make(), now
            return self._state


def _answer(path: str, latest: LatestState, refresh: int) -> tuple[int, str, str]:
    """Status, content type and text."""
    try:
        state = latest.get()
    except MlspecError as error:
        return 503, _PLAIN, f"{error.message}\n{error.help}\n"
    except OSError as error:
        return 503, _PLAIN, f"the store cannot be read or written: {error}\n"
    if path == "/":
        return 200, "text/html; charset=utf-8", monitor_page(state, refresh=refresh)
    if path == "/metrics":
        return 200, CONTENT_TYPE, metrics_text(state.metrics)
    return 200, "application/json", json.dumps(state_json(state), ensure_ascii=False)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Report errors of this program, but not of clients that disconnect, or neither send nor read."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def monitor_server(
    latest: LatestState, host: str, port: int, *, patience: float = PATIENCE, refresh: int = REFRESH
) -> ThreadingHTTPServer:
    """A server that is bound and not yet running; a client has `patience` seconds to send its request and to read the
    answer. Raises OSError if the address cannot be listened on."""

    class Handler(BaseHTTPRequestHandler):
        timeout = patience

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path not in ("/", "/state.json", "/metrics"):
                self._send(404, _PLAIN, "not found: the paths are /, /state.json and /metrics\n")
                return
            self._send(*_answer(path, latest, refresh))

        def do_HEAD(self) -> None:
            self.do_GET()

        def _send(self, status: int, kind: str, text: str) -> None:
            body = text.encode("utf-8", "surrogatepass")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests of the page are not worth a line each."""

    return _Server((host, port), Handler)
