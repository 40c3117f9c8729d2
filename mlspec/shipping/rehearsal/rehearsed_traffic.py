"""What a rollout needs of the rehearsal: metrics, direct invocations, and traffic, which it generates itself."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from pydantic import JsonValue, TypeAdapter

from mlspec.errors import StageError
from mlspec.shipping.rehearsal.control_plane_client import RESTART
from mlspec.shipping.rehearsal.gateway import ADMIN
from mlspec.shipping.rehearsal.injected_faults import Faults
from mlspec.shipping.rehearsal.rehearsal import here
from mlspec.shipping.rollout.traffic_metrics import TrafficMetrics, VersionMetrics
from mlspec.stage_context import StageContext

_CLIENTS: Final = 8
_PAUSE: Final = 1.0
_METRICS: Final = TypeAdapter(VersionMetrics)
Row = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Endpoint:
    """The rehearsal's endpoint, as source of metrics and as invoker of versions."""

    address: str

    def read(self, version: str, since: float) -> VersionMetrics:
        """The metrics of that version since then."""
        metrics = self._admin("numbers", version=version, since=str(since))
        return _METRICS.validate_python(metrics)

    def invoke(self, version: str, body: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """The prediction of the version for a row. Raises StageError where it fails."""
        answer = self._admin("invoke", json.dumps(body).encode(), version=version)
        return answer if isinstance(answer, dict) else {}

    def inject(self, version: str, faults: Faults) -> None:
        """Inject faults into one version."""
        self._admin("faults", json.dumps(faults.as_json()).encode(), version=version)

    def settle(self) -> None:
        """Start the versions of the alias, and stop all others."""
        self._admin("settle", b"")

    def _admin(self, what: str, body: bytes | None = None, **query: str) -> object:
        method = "GET" if body is None else "POST"
        status, answer = self.request(method, f"{ADMIN}{what}?{urlencode(query)}", body)
        if status != 200:
            raise _error(answer)
        return answer

    def request(self, method: str, path: str, body: bytes | None) -> tuple[int, object]:
        """Status and JSON of one request."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=90)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise StageError(f"the rehearsal's endpoint does not answer: {error}", help=RESTART) from None
        finally:
            connection.close()

    def drive(self, rows: Sequence[Row], seconds: float) -> None:
        """Send requests from several clients for that long. Failures are counted by the endpoint."""
        bodies = [json.dumps(row).encode() for row in rows]
        dice, end = random.Random(), time.monotonic() + seconds

        def call() -> None:
            while time.monotonic() < end:
                try:
                    self.request("POST", "/predict", dice.choice(bodies))
                except StageError:
                    time.sleep(0.05)  # the endpoint stopped: reading the metrics reports that

        clients = [threading.Thread(target=call) for _ in range(_CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()


def _error(answer: object) -> StageError:
    """The error in a response of the endpoint: `{"error": {"message", "help"}}`."""
    match answer:
        case {"error": {"message": message, **more}}:
            return StageError(str(message), help=str(more.get("help") or RESTART))
        case {"error": message}:
            return StageError(str(message), help=RESTART)
        case _:
            return StageError(f"the rehearsal's endpoint answers {str(answer)[:200]}", help=RESTART)


def rehearsed(
    context: StageContext, version: str, rows: Sequence[Row], region: str, function: str, alias: str
) -> TrafficMetrics:
    """The metrics of the rehearsal for the rollout of that version, with the injected faults."""
    endpoint = Endpoint(here(context).endpoint(region, function, alias))
    endpoint.inject(version, Faults.parse(context.faults))
    return instruments(endpoint, rows)


def settle(context: StageContext, region: str, function: str, alias: str, example: Row | None) -> str:
    """After a rollout: only the versions of the alias run, without faults. Returns the address of the endpoint.

    The example is recorded, to show a request with it.
    """
    here(context).home.remember("example", example)
    endpoint = Endpoint(here(context).endpoint(region, function, alias))
    endpoint.inject("", Faults())
    endpoint.settle()
    return endpoint.address


def instruments(endpoint: Endpoint, rows: Sequence[Row]) -> TrafficMetrics:
    """The metrics of the rehearsal for a rollout; while it waits, requests with the given rows are sent."""
    wait = lambda seconds: endpoint.drive(rows, seconds)  # noqa: E731 - bound to what is known here
    return TrafficMetrics(endpoint, endpoint, time.time, wait, pause=_PAUSE, hurry=True)
