"""What a server counts, and how Prometheus reads it (https://prometheus.io/docs/instrumenting/exposition_formats)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram, in seconds."""
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class _Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * len(BUCKETS))
    total: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.total += 1
        self.seconds += seconds
        for index, bound in enumerate(BUCKETS):
            if seconds <= bound:
                self.counts[index] += 1


class Counters:
    """Requests, their latency, rows and predicted labels. Safe to use from many threads."""

    def __init__(self, model: str, version: str) -> None:
        self._lock = threading.Lock()
        self._model = (("model", model), ("version", version))
        self._requests: Counter[tuple[str, int]] = Counter()
        self._latency: dict[str, _Histogram] = {}
        self._labels: Counter[str] = Counter()
        self._rows = 0
        self._in_flight = 0

    def began(self) -> None:
        """A request came in."""
        with self._lock:
            self._in_flight += 1

    def ended(self, route: str, status: int, seconds: float) -> None:
        """The answer to a request is ready."""
        with self._lock:
            self._in_flight -= 1
            self._requests[route, status] += 1
            self._latency.setdefault(route, _Histogram()).add(seconds)

    def predicted(self, labels: Iterable[str], rows: int) -> None:
        """The model has answered for that many rows."""
        with self._lock:
            self._rows += rows
            self._labels.update(labels)

    def labels(self) -> Counter[str]:
        """How often each label has been predicted so far."""
        with self._lock:
            return self._labels.copy()

    def text(self) -> str:
        """Everything, in Prometheus' text format."""
        with self._lock:
            return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        model = self._model
        yield from _head("mlspec_model_info", "gauge", "The model that is served.")
        yield _line("mlspec_model_info", model, 1)
        yield from _head("mlspec_requests_in_flight", "gauge", "Requests being answered.")
        yield _line("mlspec_requests_in_flight", model, self._in_flight)
        yield from _head("mlspec_requests_total", "counter", "Requests answered, by route and status.")
        for (route, status), count in sorted(self._requests.items()):
            yield _line("mlspec_requests_total", (*model, ("route", route), ("status", str(status))), count)
        yield from _head("mlspec_request_seconds", "histogram", "Time from the whole request read to its answer.")
        for route, histogram in sorted(self._latency.items()):
            yield from self._histogram((*model, ("route", route)), histogram)
        yield from _head("mlspec_rows_total", "counter", "Rows predicted.")
        yield _line("mlspec_rows_total", model, self._rows)
        yield from _head("mlspec_predictions_total", "counter", "Rows predicted, by label.")
        for label, count in sorted(self._labels.items()):
            yield _line("mlspec_predictions_total", (*model, ("label", label)), count)

    def _histogram(self, labels: Sequence[tuple[str, str]], histogram: _Histogram) -> Iterator[str]:
        name = "mlspec_request_seconds"
        for bound, count in zip(BUCKETS, histogram.counts, strict=True):
            yield _line(f"{name}_bucket", (*labels, ("le", str(bound))), count)
        yield _line(f"{name}_bucket", (*labels, ("le", "+Inf")), histogram.total)
        yield _line(f"{name}_sum", labels, histogram.seconds)
        yield _line(f"{name}_count", labels, histogram.total)


def _head(name: str, kind: str, help: str) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"


def _line(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    written = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    return f"{name}{{{written}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
