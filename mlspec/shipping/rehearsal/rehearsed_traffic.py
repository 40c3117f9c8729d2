"""What a rollout needs of the rehearsal: its numbers, calls past the alias, and callers, since nobody else calls."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from mlspec.errors import StageError
from mlspec.shipping.rehearsal.gateway import ADMIN
from mlspec.shipping.rehearsal.injected_faults import Faults
from mlspec.shipping.rehearsal.rehearsal import here
from mlspec.shipping.rollout.traffic_metrics import TrafficMetrics, VersionMetrics
from mlspec.stage_context import StageContext

_CALLERS: Final = 8
_PAUSE: Final = 1.0


@dataclass(frozen=True)
class Endpoint:
    """The rehearsal's endpoint as a rollout's meter and prober."""

    address: str

    def read(self, version: str, since: float) -> VersionMetrics:
        """The calls of that version since then, as the endpoint counted them."""
        return VersionMetrics(**self._admin("numbers", version=version, since=str(since)))

    def invoke(self, version: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The version's answer to a row. Raises StageError where it gives none."""
        found: Mapping[str, Any] = self._admin("invoke", json.dumps(body).encode(), version=version)
        return found

    def harm(self, version: str, faults: Faults) -> None:
        """Inject faults into one version."""
        self._admin("faults", json.dumps(faults.as_json()).encode(), version=version)

    def settle(self) -> None:
        """Have the alias's versions running, and no others."""
        self._admin("settle", b"")

    def _admin(self, what: str, body: bytes | None = None, **given: str) -> Any:
        method = "GET" if body is None else "POST"
        status, found = self.request(method, f"{ADMIN}{what}?{urlencode(given)}", body)
        if status != 200:
            said = found.get("error", found) if isinstance(found, dict) else found
            message = said.get("message", said) if isinstance(said, dict) else said
            raise StageError(str(message), help=str(said.get("help", "")) if isinstance(said, dict) else "")
        return found

    def request(self, method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        """Status and JSON of one request."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=90)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (OSError, ValueError, http.client.HTTPException) as error:
            help = "mlspec apply --target local    starts it again"
            raise StageError(f"the rehearsal's endpoint does not answer: {error}", help=help) from None
        finally:
            connection.close()

    def drive(self, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """Be the callers for so long. What fails is counted where it fails, and nowhere else."""
        bodies = [json.dumps(row).encode() for row in rows]
        dice, end = random.Random(), time.monotonic() + seconds

        def call() -> None:
            while time.monotonic() < end:
                try:
                    self.request("POST", "/predict", dice.choice(bodies))
                except StageError:
                    time.sleep(0.05)  # the endpoint itself is gone: the meter will say so

        callers = [threading.Thread(target=call) for _ in range(_CALLERS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()


def rehearsed(
    context: StageContext, version: str, rows: Sequence[Mapping[str, Any]], region: str, function: str, alias: str
) -> TrafficMetrics:
    """What the rollout of that version sees through, with the faults that a person asked for."""
    endpoint = Endpoint(here(context).endpoint(region, function, alias))
    endpoint.harm(version, Faults.parse(context.faults))
    return instruments(endpoint, rows)


def settle(context: StageContext, region: str, function: str, alias: str, example: Mapping[str, Any] | None) -> str:
    """After a rollout: the alias's versions run, no others, and nothing is harmed any more. Gives the address; the
    example is kept for who wants to try it."""
    here(context).home.remember("example", example)
    endpoint = Endpoint(here(context).endpoint(region, function, alias))
    endpoint.harm("", Faults())
    endpoint.settle()
    return endpoint.address


def instruments(endpoint: Endpoint, rows: Sequence[Mapping[str, Any]]) -> TrafficMetrics:
    """What a rollout sees through on this machine. Its waiting is filled with calls of the given rows."""
    wait = lambda seconds: endpoint.drive(rows, seconds)  # noqa: E731 - bound to what is known here
    return TrafficMetrics(endpoint, endpoint, time.time, wait, pause=_PAUSE, hurry=True)
