"""Real servers on free ports of 127.0.0.1: Prometheus, Alertmanager, Pushgateway, and a receiver of its webhooks."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.conftest import missing
from tests.runtime.callers import until


def program(name: str, package: str) -> str:
    """The path of a program of Debian's package."""
    path = shutil.which(name)
    if path is None:
        missing(f"{name} (Debian package {package})")
    return path


def promtool(*arguments: str, cwd: Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [program("promtool", "prometheus"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, input=text, timeout=60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Api:
    """The HTTP API of a server on this machine."""

    port: int

    def get(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}?{query}", timeout=10) as response:
            return json.loads(response.read())

    def query(self, expr: str, **more: str) -> list[Any]:
        """The result of an instant query; each element has `metric` and `value`."""
        answer = self.get("/api/v1/query", query=expr, **more)
        assert answer["status"] == "success", answer
        result: list[Any] = answer["data"]["result"]
        return result

    def ready(self) -> bool:
        with suppress(OSError):
            url = f"http://127.0.0.1:{self.port}/-/ready"
            with urllib.request.urlopen(url, timeout=5) as response:
                return bool(response.status == 200)
        return False


@contextmanager
def _process(command: list[str], port: int, log: Path) -> Iterator[Api]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        api = Api(port)
        try:
            until(lambda: process.poll() is not None or api.ready())
            assert process.poll() is None, log.read_text()
            yield api
        finally:
            process.kill()


@contextmanager
def prometheus(config: Path, folder: Path) -> Iterator[Api]:
    port = free_port()
    command = [program("prometheus", "prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
               f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver"]  # fmt: skip
    with _process(command, port, folder / "prometheus.log") as api:
        yield api


@contextmanager
def alertmanager(config: Path, folder: Path, port: int) -> Iterator[Api]:
    command = [program("prometheus-alertmanager", "prometheus-alertmanager"), f"--config.file={config}",
               f"--storage.path={folder / 'alertmanager'}", f"--web.listen-address=127.0.0.1:{port}",
               "--cluster.listen-address="]  # fmt: skip
    with _process(command, port, folder / "alertmanager.log") as api:
        yield api


@contextmanager
def pushgateway(folder: Path) -> Iterator[Api]:
    port = free_port()
    command = [program("prometheus-pushgateway", "prometheus-pushgateway"), f"--web.listen-address=127.0.0.1:{port}"]
    with _process(command, port, folder / "pushgateway.log") as api:
        yield api


@dataclass(frozen=True)
class Receiver:
    """The alerts that arrived at a webhook, and its port."""

    port: int
    alerts: list[Mapping[str, Any]]

    def names(self) -> set[str]:
        return {alert["labels"]["alertname"] for alert in self.alerts if alert["status"] == "firing"}


@contextmanager
def webhook() -> Iterator[Receiver]:
    alerts: list[Mapping[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            alerts.extend(body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Receiver(server.server_address[1], alerts)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
