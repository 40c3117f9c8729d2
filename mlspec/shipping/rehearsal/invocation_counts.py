"""The calls of each version with their outcomes, and metrics of those since a moment. Safe for threads."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mlspec.shipping.rollout.traffic_metrics import VersionMetrics

_KEPT: Final = 200_000
"""Calls that are kept for each version."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: when it ended (seconds since 1970), how long it took, whether it failed, what was predicted."""

    at: float
    ms: float
    failed: bool
    labels: tuple[str, ...] = ()


class Counts:
    """The calls by version."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[str, deque[Call]] = {}

    def add(self, version: str, call: Call) -> None:
        """Count a call."""
        with self._lock:
            self._calls.setdefault(version, deque(maxlen=_KEPT)).append(call)

    def since(self, version: str, moment: float) -> VersionMetrics:
        """The metrics of a version since then (seconds since 1970)."""
        with self._lock:
            calls = [call for call in self._calls.get(version, ()) if call.at >= moment]
        times = sorted(call.ms for call in calls if not call.failed)
        labels = Counter(label for call in calls for label in call.labels)
        return VersionMetrics(
            calls=len(calls),
            errors=sum(call.failed for call in calls),
            p50_ms=percentile(times, 0.50),
            p95_ms=percentile(times, 0.95),
            p99_ms=percentile(times, 0.99),
            labels=dict(labels),
        )


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile of ascending numbers; None without numbers."""
    if not ordered:
        return None
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
