"""The metrics of a version that a rollout reads: AWS's own, or those of the rehearsal on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class VersionMetrics:
    """Requests to one version alone, since a moment. Times in ms, None where none was measured."""

    calls: int = 0
    """Requests that were executed: answered or failed."""
    errors: int = 0
    throttles: int = 0
    """Requests that were throttled; they are not among `calls`."""
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    """How often each label was predicted."""


class MetricsReader(Protocol):
    """Reads metrics."""

    def read(self, version: str, since: float) -> VersionMetrics:
        """The metrics of `version` since then (seconds since 1970). Raises StageError where they cannot be read."""


class VersionInvoker(Protocol):
    """Invokes one version directly, past the alias."""

    def invoke(self, version: str, body: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """The version's answer to one row. Raises StageError with the error where it fails."""


@dataclass(frozen=True, slots=True)
class TrafficMetrics:
    """Everything that a rollout uses besides the alias.

    `now` returns seconds since 1970. `wait` waits that many seconds; a rehearsal, which has no clients, sends requests
    of its own in the meantime. `pause` is the time between two readings of the metrics.
    """

    meter: MetricsReader
    prober: VersionInvoker
    now: Callable[[], float]
    wait: Callable[[float], None]
    pause: float = 15.0
    hurry: bool = False
    """A step ends as soon as it has enough requests: for a rehearsal, where the interval has no meaning."""
