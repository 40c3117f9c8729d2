"""A short load test: clients send requests to a server in a process of its own, and each latency is measured."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_WARM_UP = 5
"""Requests of each client that are not measured."""
_TIMEOUT = 30


@dataclass(frozen=True)
class LoadResult:
    """What the clients measured."""

    seconds: Sequence[float]
    """The latency of each request that got a prediction."""
    errors: Sequence[str]
    """What every other request got."""

    @property
    def error_rate(self) -> float:
        """The fraction of requests without a prediction."""
        return len(self.errors) / (len(self.errors) + len(self.seconds))

    def percentile_ms(self, percent: float) -> float:
        """A percentile of the latency in milliseconds; infinite where no request got a prediction."""
        return float(np.percentile(self.seconds, percent)) * 1000 if self.seconds else float("inf")


def measure_load(bundle: Path, bodies: Sequence[bytes], requests: int, clients: int) -> LoadResult:
    """Serve `bundle` and send `requests` JSON `bodies`, again from the first after the last, from `clients` at once."""
    shares = [range(client, requests, clients) for client in range(min(clients, requests))]
    with _served(bundle) as port, ThreadPoolExecutor(len(shares)) as pool:
        results = list(pool.map(lambda share: _client(port, bodies, share), shares))
    return LoadResult(
        [seconds for result in results for seconds in result.seconds],
        [error for result in results for error in result.errors],
    )


def _client(port: int, bodies: Sequence[bytes], share: range) -> LoadResult:
    """The requests with the numbers in `share`, one after the other over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    for number in share[:_WARM_UP]:
        _request(connection, bodies[number % len(bodies)])
    seconds, errors = [], []
    for number in share:
        start = time.perf_counter()
        error = _request(connection, bodies[number % len(bodies)])
        if error:
            errors.append(error)
        else:
            seconds.append(time.perf_counter() - start)
    connection.close()
    return LoadResult(seconds, errors)


def _request(connection: http.client.HTTPConnection, body: bytes) -> str:
    """Send one request. Returns what is wrong with the answer; `""` for a prediction."""
    try:
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return f"{type(error).__name__}: {error}"
    return "" if response.status == http.HTTPStatus.OK else f"status {response.status}: {text[:200]}"


@contextmanager
def _served(bundle: Path) -> Iterator[int]:
    """The server of a bundle on 127.0.0.1 as a process of its own; yields its port."""
    address = ["--host", "127.0.0.1", "--port", "0"]
    command = [sys.executable, "-m", "mlspec.runtime.http", "--bundle", str(bundle), *address]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            if not line:
                log.seek(0)
                raise RuntimeError(f"the server of {bundle} did not start: {log.read()[-2000:]}")
            yield int(json.loads(line)["port"])
        finally:
            server.terminate()
            server.communicate(timeout=_TIMEOUT)
