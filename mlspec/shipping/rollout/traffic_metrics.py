"""What a rollout sees of a version, and through whom: AWS's own numbers, or those of the rehearsal on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class VersionMetrics:
    """The calls of one version alone, since a moment. Times in ms, None where no call was measured."""

    calls: int = 0
    """Calls that were let in: answered or failed."""
    errors: int = 0
    throttles: int = 0
    """Calls that were turned away; they are not among `calls`."""
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    """How often each label was answered."""


class MetricsReader(Protocol):
    """Who counts."""

    def read(self, version: str, since: float) -> VersionMetrics:
        """The calls of `version` since then (seconds since 1970). Raises StageError where it cannot be known."""


class VersionInvoker(Protocol):
    """Who calls one version directly, past the alias."""

    def invoke(self, version: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The version's answer to one row. Raises StageError with what went wrong where it fails."""


@dataclass(frozen=True, slots=True)
class TrafficMetrics:
    """All that a rollout touches besides the alias.

    `now` gives seconds since 1970. `wait` lets that many seconds pass; a rehearsal, which has no callers, sends calls
    of its own meanwhile. `pause` is how long to wait between two looks at the numbers.
    """

    meter: MetricsReader
    prober: VersionInvoker
    now: Callable[[], float]
    wait: Callable[[float], None]
    pause: float = 15.0
    hurry: bool = False
    """A step ends as soon as it has calls enough: for a rehearsal, where the interval has no meaning."""
