"""Counts of what the prediction log observes and does, in Prometheus text format."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final

from mlspec.runtime.contract import Contract
from mlspec.runtime.counters import MetricHistogram, head, line
from mlspec.runtime.prediction_record import Row
from mlspec.runtime.preprocess.moments import spellings

SCORES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Upper bounds of the histogram of scores."""
Categories = Mapping[str, frozenset[str]]
"""The values of each category input in the training data."""


class LogCounts:
    """Counts missing and unseen values, scores, and records. Thread-safe; labels are bounded by the contract."""

    def __init__(self, contract: Contract, categories: Categories, low_confidence: float) -> None:
        self.contract = contract
        self._lock = threading.Lock()
        self._model = (("model", contract.name), ("version", contract.version))
        self._classes, self._low = bool(contract.labels), low_confidence
        self.categories = {name: categories[name] for name in contract.inputs if name in categories}
        self._missing = {name: 0 for name, kind in contract.inputs.items() if kind != "image"}
        self._unseen = dict.fromkeys(self.categories, 0)
        self._scores, self._unsure, self._rows = MetricHistogram(SCORES), 0, 0
        self._written: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter({"queue_full": 0, "write_error": 0})
        self._failures: Counter[str] = Counter()
        self.more: Callable[[], Iterator[str]] | None = None
        """Returns further lines, of a sink."""

    def observe(self, rows: Sequence[Row], scores: Sequence[float]) -> None:
        """Count rows and scores of predictions."""
        with self._lock:
            self._observe_scores(len(rows), scores)
            self._count_missing(rows)
            for name, known in self.categories.items():
                # Counted first, because most values repeat.
                for value, count in Counter(map(itemgetter(name), rows)).items():
                    if value not in known:
                        self._count_unseen(name, value, count)

    def observe_values(self, rows: int, scores: Sequence[float], unusual: Sequence[tuple[str, object]]) -> None:
        """Count a number of rows, their scores, and their missing and perhaps unseen values, by input."""
        with self._lock:
            self._observe_scores(rows, scores)
            for (name, value), count in Counter(unusual).items():
                if value is None:
                    self._missing[name] += count
                else:
                    self._count_unseen(name, value, count)

    def _observe_scores(self, rows: int, scores: Sequence[float]) -> None:
        self._rows += rows
        self._unsure += sum(map(self._low.__gt__, scores))
        self._scores.update(scores)

    def _count_unseen(self, name: str, value: object, count: int) -> None:
        """Count a value that is not in the training data as it is written."""
        if isinstance(value, str) and not any(word in self.categories[name] for word in spellings(value)):
            self._unseen[name] += count

    def _count_missing(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if None in row.values():
                for name, value in row.items():
                    if value is None and name in self._missing:
                        self._missing[name] += 1

    def written(self, sink: str, records: int) -> None:
        """Count written records."""
        with self._lock:
            self._written[sink] += records

    def dropped(self, reason: str, records: int) -> None:
        """Count records that are lost."""
        with self._lock:
            self._dropped[reason] += records

    def lost(self) -> dict[str, int]:
        """Records that are lost, by reason."""
        with self._lock:
            return dict(self._dropped)

    def failed(self, sink: str) -> None:
        """Count a failed write."""
        with self._lock:
            self._failures[sink] += 1

    def text(self) -> str:
        """The metrics in Prometheus text format."""
        with self._lock:
            return "".join(f"{text}\n" for text in self._lines())

    def _lines(self) -> Iterator[str]:
        yield from self._family("mlspec_observed_rows", "Rows whose inputs were counted.", "", {"": self._rows})
        yield from self._family("mlspec_input_missing", "Missing values, by input.", "input", self._missing)
        if self._unseen:
            help = "Values that do not occur in the training data, by input."
            yield from self._family("mlspec_input_unseen", help, "input", self._unseen)
        if self._classes:
            yield from head("mlspec_prediction_score", "histogram", "Scores of the predicted labels.")
            yield from self._scores.lines("mlspec_prediction_score", self._model)
            help = f"Predictions with a score below {self._low:g}."
            yield from self._family("mlspec_low_confidence_predictions", help, "", {"": self._unsure})
        name = "mlspec_prediction_log"
        yield from self._family(f"{name}_records", "Predictions written to the log.", "sink", self._written)
        yield from self._family(f"{name}_dropped", "Predictions that are not in the log.", "reason", self._dropped)
        yield from self._family(f"{name}_write_errors", "Failed writes of the log.", "sink", self._failures)
        if self.more is not None:
            yield from self.more()

    def _family(self, name: str, help: str, label: str, values: Mapping[str, int]) -> Iterator[str]:
        yield from head(f"{name}_total", "counter", help)
        for value, count in values.items():
            yield line(f"{name}_total", (*self._model, (label, value)) if label else self._model, count)
