"""Counts of what was sent to Elasticsearch, in Prometheus text format."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from mlspec.runtime.contract import Contract
from mlspec.runtime.counters import head, line

OUTCOMES: Final = ("stored", "duplicate", "failure_store", "refused", "dropped")
LOST: Final = ("failure_store", "refused", "dropped")
FAILURES: Final = ("429", "5xx", "connection", "unauthorized", "forbidden", "not_found", "rejected")


class ElasticCounts:
    """Counts documents by outcome, and failed requests by reason. Thread-safe."""

    def __init__(self, contract: Contract, spool_bytes: Callable[[], int]) -> None:
        self._lock = threading.Lock()
        self._model = (("model", contract.name), ("version", contract.version))
        self._spool_bytes = spool_bytes
        self.documents: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self.failures: Counter[str] = Counter(dict.fromkeys(FAILURES, 0))

    def add(self, outcome: str, documents: int) -> None:
        """Count documents with an outcome."""
        with self._lock:
            self.documents[outcome] += documents

    def failed(self, reason: str) -> None:
        """Count a failed request."""
        with self._lock:
            self.failures[reason] += 1

    def lost(self) -> dict[str, int]:
        """Documents that are not in the data stream, by outcome."""
        with self._lock:
            return {outcome: self.documents[outcome] for outcome in LOST}

    def lines(self) -> Iterator[str]:
        """The families of metrics."""
        with self._lock:
            documents, failures = dict(self.documents), dict(self.failures)
        name = "mlspec_elasticsearch_documents_total"
        yield from head(name, "counter", "Predictions sent to Elasticsearch, by outcome.")
        for outcome, count in documents.items():
            yield line(name, (*self._model, ("outcome", outcome)), count)
        name = "mlspec_elasticsearch_failed_requests_total"
        yield from head(name, "counter", "Requests to Elasticsearch that are repeated, by reason.")
        for reason, count in failures.items():
            yield line(name, (*self._model, ("reason", reason)), count)
        name = "mlspec_elasticsearch_spool_bytes"
        yield from head(name, "gauge", "Bytes that wait on disk for Elasticsearch.")
        yield line(name, self._model, self._spool_bytes())
