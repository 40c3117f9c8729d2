"""Metrics of the server in Prometheus text format (https://prometheus.io/docs/instrumenting/exposition_formats)."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram, in seconds."""
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


SIZES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Upper bounds of the batch-size histogram, in rows."""


class MetricHistogram:
    """A histogram with the upper bounds `bounds`. Not thread-safe."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def update(self, values: Sequence[float]) -> None:
        """Count several values."""
        ordered, below = sorted(values), 0
        for place, bound in enumerate(self.bounds):
            end = bisect_right(ordered, bound, below)
            self.counts[place] += end - below
            below = end
        self.counts[-1] += len(ordered) - below
        self.sum += sum(ordered)

    def lines(self, name: str, labels: Sequence[tuple[str, str]]) -> Iterator[str]:
        """The cumulative buckets, sum and count."""
        total = list(accumulate(self.counts))
        for bound, count in zip((*map(_bound, self.bounds), "+Inf"), total, strict=True):
            yield line(f"{name}_bucket", (*labels, ("le", bound)), count)
        yield line(f"{name}_sum", labels, self.sum)
        yield line(f"{name}_count", labels, total[-1])


class Counters:
    """Counts requests, latencies, rows and predicted labels. Thread-safe."""

    def __init__(self, model: str, version: str) -> None:
        self._lock = threading.Lock()
        self._model = (("model", model), ("version", version))
        self._requests: Counter[tuple[str, int]] = Counter()
        self._errors: Counter[tuple[str, str]] = Counter()
        self._latency: dict[str, MetricHistogram] = {}
        self._labels: Counter[str] = Counter()
        self._rows = 0
        self._in_flight = 0
        self._batches = MetricHistogram(SIZES)
        self.waiting: Callable[[], int] | None = None
        """Returns the current number of queued rows; None without a queue."""

    def began(self) -> None:
        """Count a received request."""
        with self._lock:
            self._in_flight += 1

    def ended(self, route: str, status: int, seconds: float, error: str | None = None) -> None:
        """Count an answered request, its latency in seconds, and the code of its error."""
        with self._lock:
            self._in_flight -= 1
            self._requests[route, status] += 1
            if error is not None:
                self._errors[route, error] += 1
            histogram = self._latency.get(route)
            if histogram is None:
                histogram = self._latency[route] = MetricHistogram(BUCKETS)
            histogram.add(seconds)

    def predicted(self, labels: Iterable[str], rows: int) -> None:
        """Count predicted rows and their labels."""
        with self._lock:
            self._rows += rows
            self._labels.update(labels)

    def ran(self, rows: int) -> None:
        """Count one run of the model with a batch of that many rows."""
        with self._lock:
            self._batches.add(rows)

    def labels(self) -> Counter[str]:
        """The number of predictions of each label since the start."""
        with self._lock:
            return self._labels.copy()

    def text(self) -> str:
        """All metrics in Prometheus text format."""
        with self._lock:
            return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        model = self._model
        yield from head("mlspec_model_info", "gauge", "Name and version of the served model.")
        yield line("mlspec_model_info", model, 1)
        yield from head("mlspec_requests_in_flight", "gauge", "Requests being answered.")
        yield line("mlspec_requests_in_flight", model, self._in_flight)
        yield from head("mlspec_requests_total", "counter", "Requests answered, by route and status.")
        for (route, status), count in sorted(self._requests.items()):
            yield line("mlspec_requests_total", (*model, ("route", route), ("status", str(status))), count)
        yield from head("mlspec_request_errors_total", "counter", "Requests that failed, by route and error code.")
        for (route, code), count in sorted(self._errors.items()):
            yield line("mlspec_request_errors_total", (*model, ("route", route), ("code", code)), count)
        yield from head(
            "mlspec_request_seconds", "histogram", "Seconds from receiving a complete request to its response."
        )
        for route, histogram in sorted(self._latency.items()):
            yield from histogram.lines("mlspec_request_seconds", (*model, ("route", route)))
        if self.waiting is not None:
            yield from head("mlspec_queue_rows", "gauge", "Rows queued for the model.")
            yield line("mlspec_queue_rows", model, self.waiting())
            yield from head("mlspec_batch_rows", "histogram", "Rows per model batch.")
            yield from self._batches.lines("mlspec_batch_rows", model)
        yield from head("mlspec_rows_total", "counter", "Rows predicted.")
        yield line("mlspec_rows_total", model, self._rows)
        yield from head("mlspec_predictions_total", "counter", "Rows predicted, by label.")
        for label, count in sorted(self._labels.items()):
            yield line("mlspec_predictions_total", (*model, ("label", label)), count)


def _bound(value: float) -> str:
    return f"{value:g}"


def head(name: str, kind: str, help: str) -> Iterator[str]:
    """The lines `HELP` and `TYPE` of a family."""
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"


def line(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    """A sample."""
    written = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    return f"{name}{{{written}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
