"""Profiles to the numbers of a report: traffic, latency, predictions, and each input against the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.baseline.reference import (
    CategoryReference,
    ClassReference,
    Reference,
)
from mlspec.monitoring.profile_counts import LATENCY_EDGES, grid_of, score_edges
from mlspec.monitoring.shift_measure import ShiftMeasure
from mlspec.monitoring.shift_measures import Counted, chi_square, coarse, kolmogorov_smirnov, psi

QUANTILES: Final = (0.5, 0.95, 0.99)
_RARE: Final = 0.005
"""Categories with a smaller share of the reference are compared together."""


@dataclass(frozen=True, slots=True)
class MeasureReport:
    """One measure of an input (`number`, `category`, `characters`, `words`, `mean`, `contrast`) or of the predictions
    (`score`, `value`, `label`) against the reference."""

    measure: str
    rows: int
    mean: float | None = None
    reference_mean: float | None = None
    psi: ShiftMeasure | None = None
    ks: ShiftMeasure | None = None
    chi_square: ShiftMeasure | None = None


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """One input."""

    name: str
    missing: float
    """Share of predictions without a value."""
    reference_missing: float | None
    unseen: float
    """Share of values that the training data does not have; of categories only."""
    new_values: Mapping[str, int]
    """The most frequent of them. Of very many the counts are lower bounds."""
    measures: tuple[MeasureReport, ...]


@dataclass(frozen=True, slots=True)
class ProfileReport:
    """What a set of profiles shows. Numbers of requests are estimates where the log is a sample."""

    requests: float
    outcomes: Mapping[str, float]
    statuses: Mapping[str, float]
    errors: Mapping[str, float]
    latency_ms: Mapping[float, float]
    """By quantile; empty without requests."""
    predictions: int
    labels: Mapping[str, float]
    """Share of each predicted label."""
    prediction: MeasureReport | None
    label_shift: MeasureReport | None
    columns: tuple[ColumnReport, ...] = field(default=())

    @property
    def error_rate(self) -> float | None:
        """Share of failed requests; None without requests, which is not the same as no errors."""
        return self.outcomes.get("failed", 0.0) / self.requests if self.requests else None


def report(profiles: pa.Table, reference: Reference | None, version: str | None = None) -> ProfileReport:
    """The report of all hours in `profiles`, of one version or of all."""
    totals = _Totals.of(profiles, version)
    labels = totals.rows("label", "")
    return ProfileReport(
        requests=totals.weight("requests", "").get("", 0.0),
        outcomes=totals.weight("outcome", ""),
        statuses=totals.weight("status", ""),
        errors=totals.weight("error", ""),
        latency_ms=_latency(totals.weight("latency", "")),
        predictions=int(totals.rows("predictions", "").get("", 0)),
        labels={name: count / sum(labels.values()) for name, count in labels.items()},
        prediction=_prediction(totals, reference),
        label_shift=_label_shift(labels, reference.classes if reference else None),
        columns=tuple(_column(totals, name, reference) for name in totals.columns),
    )


class _Encoded(NamedTuple):
    """The distinct texts of a column, and the position of each row's text among them."""

    names: Sequence[str]
    codes: npt.NDArray[np.int64]


def _encoded(column: pa.ChunkedArray) -> _Encoded:
    array = column.combine_chunks().dictionary_encode()
    return _Encoded(array.dictionary.to_pylist(), np.from_dlpack(array.indices).astype(np.int64))


@dataclass(frozen=True)
class _Totals:
    """Sums over hours and versions, by measure and column."""

    values: Mapping[tuple[str, str], Mapping[str, tuple[float, float]]]

    @classmethod
    def of(cls, profiles: pa.Table, version: str | None) -> _Totals:
        if version is not None:
            profiles = profiles.filter(pc.equal(profiles["version"], version))
        # Without `group_by`, `to_numpy` and `array`, which import pandas: a sixth of the time of a report.
        measures, columns, keys = (_encoded(profiles[name]) for name in ("measure", "column", "key"))
        codes = (measures.codes * len(columns.names) + columns.codes) * len(keys.names) + keys.codes
        groups = pa.Array.from_buffers(pa.int64(), len(codes), [None, pa.py_buffer(codes)]).dictionary_encode()
        at = np.from_dlpack(groups.indices)
        counted = (np.from_dlpack(profiles[name].combine_chunks()) for name in ("rows", "weight"))
        sums = (np.bincount(at, values).tolist() for values in counted)
        values: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
        for group, rows, weight in zip(groups.dictionary.to_pylist(), *sums, strict=True):
            pair, key = divmod(group, len(keys.names))
            measure, column = divmod(pair, len(columns.names))
            values.setdefault((measures.names[measure], columns.names[column]), {})[keys.names[key]] = (rows, weight)
        return cls(values)

    @property
    def columns(self) -> list[str]:
        """The inputs that the profiles have."""
        return sorted({column for _, column in self.values if column})

    def rows(self, measure: str, column: str) -> dict[str, float]:
        """Rows by key, the most first."""
        pairs = self.values.get((measure, column), {}).items()
        return {key: rows for key, (rows, _) in sorted(pairs, key=lambda item: (-item[1][0], item[0]))}

    def weight(self, measure: str, column: str) -> dict[str, float]:
        """Weights by key, the most first."""
        pairs = self.values.get((measure, column), {}).items()
        return {key: weight for key, (_, weight) in sorted(pairs, key=lambda item: (-item[1][1], item[0]))}

    def bins(self, measure: str, column: str, count: int) -> Counted:
        """Rows by bin."""
        counts = np.zeros(count)
        for key, rows in self.rows(measure, column).items():
            counts[min(int(key), count - 1)] += rows
        return counts

    def mean(self, measure: str, column: str) -> float | None:
        """The mean of the values."""
        rows = sum(self.rows(measure, column).values())
        return self.rows(f"{measure}_sum", column).get("", 0.0) / rows if rows else None


def _latency(counts: Mapping[str, float]) -> dict[float, float]:
    """Quantiles in milliseconds, interpolated on the logarithmic scale of the bins."""
    total = sum(counts.values())
    if not total:
        return {}
    bins = np.zeros(len(LATENCY_EDGES) + 1)
    for key, weight in counts.items():
        bins[int(key)] += weight
    edges = np.log([LATENCY_EDGES[0] / 10, *LATENCY_EDGES, LATENCY_EDGES[-1] * 10])
    cumulated = np.concatenate([[0.0], np.cumsum(bins)]) / total
    return {q: float(math.exp(np.interp(q, cumulated, edges))) for q in QUANTILES}


def _prediction(totals: _Totals, reference: Reference | None) -> MeasureReport | None:
    if totals.rows("score", ""):
        grid = reference.classes.score if reference and reference.classes else None
        return _numbers(totals, "score", "", grid, score_edges(reference))
    if totals.rows("value", ""):
        grid = reference.values.value if reference and reference.values else None
        return _numbers(totals, "value", "", grid)
    return None


def _label_shift(labels: Mapping[str, float], classes: ClassReference | None) -> MeasureReport | None:
    if not labels or classes is None:
        return None
    names = [*classes.labels, *(name for name in labels if name not in classes.labels)]
    live, known = (np.asarray([c.get(n, 0) for n in names], dtype=np.float64) for c in (labels, classes.predicted))
    return MeasureReport("label", int(live.sum()), psi=psi(live, known), chi_square=chi_square(live, known))


def _numbers(
    totals: _Totals, measure: str, column: str, grid: QuantileGrid | None, edges: Sequence[float] | None = None
) -> MeasureReport:
    """A measure with bins: those of the grid, or fixed ones, into which the points of the grid are counted."""
    rows, mean = int(sum(totals.rows(measure, column).values())), totals.mean(measure, column)
    if grid is None or not grid.count:
        return MeasureReport(measure, rows, mean)
    known = np.asarray(grid.counts, dtype=np.float64)
    if edges is not None:
        places = np.searchsorted(edges, grid.points, side="right")
        counted = np.bincount(places, minlength=len(edges) + 1).astype(np.float64)
        known = counted * (grid.count / len(grid.points))
    live = totals.bins(measure, column, len(known))
    joined = coarse(live, known)
    return MeasureReport(
        measure,
        rows,
        mean,
        grid.mean,
        psi=psi(*joined),
        ks=kolmogorov_smirnov(live, known),
        chi_square=chi_square(*joined),
    )


def _column(totals: _Totals, name: str, reference: Reference | None) -> ColumnReport:
    known = reference.columns.get(name) if reference else None
    missing = totals.rows("missing", name).get("", 0.0)
    measures = [m for m in ("number", "characters", "words", "mean", "contrast") if totals.rows(m, name)]
    present = totals.rows("present", name).get("", 0.0)
    if not present and measures:
        present = sum(totals.rows(measures[0], name).values())
    reports = [_numbers(totals, measure, name, grid_of(known, measure)) for measure in measures]
    if isinstance(known, CategoryReference):
        reports.append(_category(totals, name, known))
    unseen = totals.rows("unseen", name).get("", 0.0)
    return ColumnReport(
        name,
        missing=missing / (missing + present) if missing + present else 0.0,
        reference_missing=known.missing / known.rows if known and known.rows else None,
        unseen=unseen / present if present else 0.0,
        new_values={key: int(rows) for key, rows in totals.rows("new_value", name).items()},
        measures=tuple(reports),
    )


def _category(totals: _Totals, name: str, known: CategoryReference) -> MeasureReport:
    """Frequent values each, rare ones together, unseen ones together."""
    live = totals.rows("category", name)
    frequent = [value for value, count in known.counts.items() if count >= _RARE * known.count]
    rare = [value for value in known.counts if value not in set(frequent)]
    other = totals.rows("other", name).get("", 0.0) + sum(live.get(value, 0.0) for value in rare)
    unseen = totals.rows("unseen", name).get("", 0.0)
    rows = np.asarray([*(live.get(value, 0.0) for value in frequent), other, unseen])
    expected = np.asarray(
        [*(known.counts[value] for value in frequent), known.other + sum(known.counts[v] for v in rare), 0.0]
    )
    return MeasureReport("category", int(rows.sum()), psi=psi(rows, expected), chi_square=chi_square(rows, expected))
