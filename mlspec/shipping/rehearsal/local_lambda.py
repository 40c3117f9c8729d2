"""The rehearsal's Lambda: the alias of the control plane, its versions as containers, and calls of them.

The version of a call is drawn by the weights of the alias. A container that stopped is started again for the next call,
as in Lambda; the call during which it stopped counts as an error of its version.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mlspec.errors import StageError
from mlspec.shipping.rehearsal.control_plane_client import ControlPlaneClient, TrafficSplit
from mlspec.shipping.rehearsal.function_containers import FunctionContainer, FunctionContainers
from mlspec.shipping.rehearsal.injected_faults import Faults, with_wrong_label
from mlspec.shipping.rehearsal.invocation_counts import Call, Counts

_TIMEOUT: Final = 60.0
_END_SECONDS: Final = 3.0
"""Time for Docker to notice that a process has ended."""
_FRESH: Final = 0.5
"""Seconds for which the alias is cached: a switch takes effect within them."""


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """The response of a call."""

    status: int
    body: bytes
    kind: str = "application/json"
    version: str = ""


@dataclass
class LocalLambda:
    """One function with its alias, on this machine."""

    plane: ControlPlaneClient
    containers: FunctionContainers
    counts: Counts = field(default_factory=Counts)
    dice: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._running: dict[str, FunctionContainer] = {}
        self._starting: dict[str, threading.Lock] = {}
        self._split: TrafficSplit | None = None
        self.read_at = 0.0
        self._faulty: tuple[str, Faults] = ("", Faults())
        self._served = 0

    def inject(self, version: str, faults: Faults) -> None:
        """Inject faults into that version, and into no other."""
        with self._lock:
            self._faulty, self._served = (version, faults), 0

    def split(self) -> TrafficSplit:
        """The alias; without the control plane, as it was read last. Raises StageError where it does not exist."""
        with self._lock:
            if time.monotonic() - self.read_at > _FRESH:
                try:
                    self._split, self.read_at = self.plane.split(), time.monotonic()
                except StageError:
                    if self._split is None:
                        raise
            if self._split is None:
                raise StageError("the rehearsal has no deployed version", help="mlspec apply --target local")
            return self._split

    def call(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> InvocationResult:
        """A request of a client, counted for the version that was drawn."""
        split = self.split()
        version = split.other if split.other and self.dice.random() < split.weight else split.version
        began = time.perf_counter()
        answer = self._ask(version, self._faults(version), method, path, headers, body)
        ms = (time.perf_counter() - began) * 1000
        self.counts.add(version, Call(time.time(), ms, answer.status >= 500, labels(answer.body)))
        return answer

    def invoke(self, version: str, body: bytes) -> InvocationResult:
        """A request to one version, not through the alias: not counted, and without injected faults."""
        return self._ask(version, Faults(), "POST", "/predict", {"Content-Type": "application/json"}, body)

    def settle(self) -> tuple[str, ...]:
        """Start the versions of the alias and stop all others. Raises StageError where one does not start."""
        with self._lock:
            self._split, self.read_at = self.plane.split(), time.monotonic()
            versions = self._split.versions if self._split else ()
        for version in versions:
            self._container(version)
        with self._lock:
            idle = [c for v, c in self._running.items() if v not in versions]
            self._running = {v: c for v, c in self._running.items() if v in versions}
        for each in idle:
            each.container.remove()
        return versions

    def close(self) -> None:
        """Remove all containers."""
        for container in self.containers.existing():
            container.remove()

    def _faults(self, version: str) -> Faults:
        faulty, faults = self._faulty
        return faults if version == faulty else Faults()

    def _ask(
        self, version: str, faults: Faults, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> InvocationResult:
        try:
            self._crash(version, faults)
            container = self._container(version)
            time.sleep(faults.latency_ms / 1000)
            if self.dice.random() < faults.error_rate:
                return _failed(version, "an injected fault")
            status, kind, content = _forward(container.port, method, path, headers, body)
        except StageError as error:
            return _failed(version, f"{error.message}: {error.help}" if error.help else error.message)
        except (OSError, http.client.HTTPException) as error:
            return _failed(version, self._lost(version, error))
        if faults.wrong and status == 200:
            with contextlib.suppress(ValueError):
                content = json.dumps(with_wrong_label(json.loads(content), self.dice, faults.wrong)).encode()
        return InvocationResult(status, content, kind, version)

    def _crash(self, version: str, faults: Faults) -> None:
        with self._lock:
            self._served += bool(faults.crash)
            running = self._running.get(version) if faults.crash and self._served >= faults.crash else None
        if running is not None:
            running.container.kill()

    def _lost(self, version: str, error: Exception) -> str:
        with self._lock:
            running = self._running.get(version)
        state = None
        if running is not None:
            # A connection that was closed is the first sign of a process that ends.
            seconds = _END_SECONDS if isinstance(error, ConnectionError) else 0.0
            state = running.container.state(within=seconds)
        if running is None or state is None or state.running:
            return f"the container does not answer: {str(error) or type(error).__name__}"
        with self._lock:
            self._running.pop(version, None)
        running.container.remove()
        return "the container was killed for lack of memory" if state.out_of_memory else "the container stopped"

    def _container(self, version: str) -> FunctionContainer:
        """The container of the version, started if it does not run: once, however many requests wait for it."""
        with self._lock:
            running = self._running.get(version)
            start = self._starting.setdefault(version, threading.Lock())
        if running is not None:
            return running
        with start:
            with self._lock:
                running = self._running.get(version)
            if running is None:
                running = self.containers.start(version, self.plane.sandbox(version), _is_ready)
                with self._lock:
                    self._running[version] = running
            return running


def labels(body: bytes) -> tuple[str, ...]:
    """The labels in a response of `/predict`, of one row or of several."""
    if b'"label"' not in body:
        return ()
    try:
        answer = json.loads(body)
    except ValueError:
        return ()
    rows = answer if isinstance(answer, list) else [answer]
    return tuple(str(row["label"]) for row in rows if isinstance(row, dict) and "label" in row)


def _failed(version: str, why: str) -> InvocationResult:
    return InvocationResult(
        502, json.dumps({"error": {"code": "version-failed", "message": why}}).encode(), version=version
    )


def _forward(port: int, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    try:
        connection.request(method, path, body or None, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type", "application/json"), answer.read()
    finally:
        connection.close()


def _is_ready(port: int) -> bool:
    try:
        return _forward(port, "GET", "/v2/health/ready", {}, b"")[0] == 200
    except (OSError, http.client.HTTPException):
        return False
