"""Counts that add up: predictions by hour, version, measure and bin. The profile of two hours is the sum of theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlspec.monitoring.arrow_arrays import Integers, encoded, floats, integers, mask_to_arrow
from mlspec.monitoring.baseline.quantile_grid import Floats, QuantileGrid, bins
from mlspec.monitoring.baseline.reference import (
    CategoryReference,
    ColumnDistribution,
    ImageReference,
    NumberReference,
    Reference,
    TextReference,
    is_known,
    unpack,
    word_hash,
)
from mlspec.monitoring.duckdb_session import quoted_name
from mlspec.monitoring.log_columns import LENGTHS, PIXELS, LogColumns
from mlspec.monitoring.profile_table import CountColumns, CountKey, places_of, profile_table

LATENCY_EDGES: Final = tuple(float(edge) for edge in np.logspace(-2, 6, 8 * 24 + 1))
"""Milliseconds: 24 bins for each power of ten, so that a percentile is within 10 %."""
SCORE_EDGES: Final = tuple(step / 50 for step in range(1, 50))
"""Bins of width 0.02, of a score without a reference."""
NEW_VALUES: Final = 50
"""Unseen categories that an hour names, the most frequent ones; all of them are counted."""
ONE: Final = ("",)
"""The names of a measure with a single count."""
_HOUR: Final = 3_600_000_000
_DECIDING: Final = ("number", "characters", "mean")
"""Measures whose absence means that the input is missing."""
_MOST_IN_BATCH: Final = 1000
"""Unseen categories that a batch adds by name, the most frequent ones."""
_MOST_NEW: Final = 20_000
"""ProfileCounts that are held one by one; above it only the most frequent unseen categories of each hour stay."""


@dataclass
class _Bins:
    """Rows and weights of one measure of one column by hour and version; `names` of its bins."""

    names: Sequence[str]
    totals: Floats
    """Of shape [groups, 2, bins], with zeros for groups to come: rows, then weights."""

    def add(self, groups: Integers, more: Floats, most: int) -> None:
        """Add `more`, of distinct groups below `most`."""
        if most > len(self.totals):
            empty = np.zeros((most * 2 - len(self.totals), *self.totals.shape[1:]))
            self.totals = np.concatenate([self.totals, empty])
        self.totals[groups] += more

    def counts(self, groups: Sequence[tuple[int, str]], measure: str, column: str) -> CountColumns:
        at, bin_ = np.nonzero(self.totals[:, 0])
        hours = np.asarray([hour for hour, _ in groups], dtype=np.int64)[at]
        versions, places = places_of([version for _, version in groups])
        none = np.zeros_like(at)
        texts = [(versions, places[at]), ([measure], none), ([column], none), (self.names, bin_)]
        return CountColumns(hours, texts, self.totals[at, 0, bin_], self.totals[at, 1, bin_])


@dataclass
class ProfileCounts:
    """Rows and weights by key: of measures with known bins as arrays, of others one by one."""

    values: dict[CountKey, tuple[float, float]] = field(default_factory=dict)
    bins: dict[tuple[str, str], _Bins] = field(default_factory=dict)
    groups: dict[tuple[int, str], int] = field(default_factory=dict)
    """The place of each hour and version in the totals of all bins."""

    def add(self, key: CountKey, rows: float, weight: float) -> None:
        """Count `rows` more."""
        before = self.values.get(key, (0.0, 0.0))
        self.values[key] = (before[0] + rows, before[1] + weight)

    def places(self, keys: Sequence[tuple[int, str]]) -> Integers:
        """The place of each hour and version in the totals of all bins."""
        return np.asarray([self.groups.setdefault(key, len(self.groups)) for key in keys], dtype=np.int64)

    def add_bins(self, measure: str, column: str, names: Sequence[str], groups: Integers, more: Floats) -> None:
        """Count more in every bin of distinct hours and versions; `more` is [groups, 2, bins]."""
        known = self.bins.get((measure, column))
        if known is None:
            known = self.bins[measure, column] = _Bins(names, np.zeros((0, *more.shape[1:])))
        known.add(groups, more, len(self.groups))

    def prune(self) -> None:
        """Forget rare unseen categories when there are very many."""
        if len(self.values) > _MOST_NEW:
            self.values = {key: self.values[key] for key in _bounded(self.values, 10 * NEW_VALUES)}

    def table(self) -> pa.Table:
        """The counts in a stable order. Of unseen categories each hour keeps the NEW_VALUES most frequent."""
        keys, groups = list(_bounded(self.values, NEW_VALUES)), list(self.groups)
        values = np.asarray([self.values[key] for key in keys], dtype=np.float64).reshape(-1, 2)
        fields = zip(*((key.version, key.measure, key.column, key.key) for key in keys), strict=True)
        texts = [places_of(each) for each in fields] if keys else [places_of(())] * 4
        single = CountColumns(np.asarray([key.hour for key in keys], dtype=np.int64), texts, values[:, 0], values[:, 1])
        return profile_table([single, *(known.counts(groups, *names) for names, known in self.bins.items())])


@dataclass(frozen=True)
class Profiler:
    """ProfileCounts batches of predictions. With a reference numbers have its bins, and categories its values."""

    columns: LogColumns
    reference: Reference | None = None

    @property
    def names(self) -> list[str]:
        """The columns that it reads."""
        texts = {f"input.{name}" for name, kind in self.columns.inputs.items() if kind == "text"}
        kept = ("time", "row", "version", "status", "outcome", "error", "latency_ms", "weight")
        flat = [n for n in self.columns.types if "." in n or n in ("label", "score", "value")]
        return [*kept, *(n for n in flat if n not in texts and not n.startswith("probability."))]

    @property
    def query(self) -> str:
        """Selects these columns from the view `predictions`."""
        return f"SELECT {', '.join(quoted_name(name) for name in self.names)} FROM predictions"

    def count(self, batch: pa.RecordBatch | pa.Table, counts: ProfileCounts) -> None:
        """Add the predictions of `batch`."""
        if not batch.num_rows:
            return
        requests = _filtered(batch, np.nan_to_num(floats(batch["row"])) == 0)
        of_requests = _Groups.of(requests, counts) if requests.num_rows else None
        if of_requests is not None:
            self._requests(requests, of_requests)
        outcomes, codes = encoded(batch["outcome"])
        rows = _filtered(
            batch, codes == outcomes.index("success") if "success" in outcomes else np.zeros(len(codes), bool)
        )
        if rows.num_rows:
            of_rows = of_requests if of_requests and rows is requests else _Groups.of(rows, counts)
            of_rows.total("predictions")
            self._predictions(rows, of_rows)
            for name, kind in self.columns.inputs.items():
                self._input(rows, of_rows, name, kind)
        counts.prune()

    def _requests(self, requests: pa.RecordBatch | pa.Table, groups: _Groups) -> None:
        """A request with several rows counts once: with its first row, or as the line of a failure."""
        groups.total("requests")
        groups.values("outcome", "", requests["outcome"])
        groups.values("status", "", pc.cast(requests["status"], pa.string()))
        groups.values("error", "", requests["error"])
        groups.histogram("latency", "", floats(requests["latency_ms"]), LATENCY_EDGES)

    def _predictions(self, rows: pa.RecordBatch | pa.Table, groups: _Groups) -> None:
        if self.columns.labels:
            groups.values("label", "", rows["label"])
            groups.histogram("score", "", floats(rows["score"]), score_edges(self.reference))
            return
        grid = self.reference.values.value if self.reference and self.reference.values else QuantileGrid()
        groups.histogram("value", "", floats(rows["value"]), grid.edges)

    def _input(self, rows: pa.RecordBatch | pa.Table, groups: _Groups, name: str, kind: str) -> None:
        known = self.reference.columns.get(name) if self.reference else None
        if kind == "category":
            _categories(groups, name, rows[f"input.{name}"], known if isinstance(known, CategoryReference) else None)
            return
        measures = LENGTHS if kind == "text" else PIXELS if kind == "image" else ("number",)
        for measure in measures:
            column = f"input.{name}" if measure == "number" else f"{measure}.{name}"
            groups.histogram(measure, name, floats(rows[column]), grid_of(known, measure).edges)


def score_edges(reference: Reference | None) -> tuple[float, ...]:
    """Of width 0.02, and those of the reference: the scores of a sure model are nearly all above 0.98."""
    own = reference.classes.score.edges if reference and reference.classes else ()
    return tuple(sorted({*SCORE_EDGES, *own}))


def grid_of(known: ColumnDistribution | None, measure: str) -> QuantileGrid:
    """The reference of a measure of an input; without values where it has none."""
    match known:
        case NumberReference():
            return known.values
        case TextReference():
            return known.characters if measure == "characters" else known.words
        case ImageReference():
            return known.mean if measure == "mean" else known.contrast
        case _:
            return QuantileGrid()


def _categories(groups: _Groups, name: str, values: pa.Array, known: CategoryReference | None) -> None:
    """Rows by value of the reference; other values of the training data together, unseen ones counted and named."""
    names, codes = encoded(values)
    groups.where("missing", name, codes < 0)
    groups.where("present", name, codes >= 0)
    if known is None:
        groups.by_code("new_value", name, names, codes)
        return
    places = {value: at for at, value in enumerate(known.counts)}
    bin_ = np.asarray([places.get(value, -1) for value in names] or [-1], dtype=np.int64)
    rare = is_known(np.asarray([word_hash(n) for n in names] or [0], dtype=np.uint32), unpack(known.other_values))
    frequent = np.where(codes < 0, -1, bin_[codes])
    other = (codes >= 0) & (frequent < 0) & rare[codes]
    unseen = (codes >= 0) & (frequent < 0) & ~other
    groups.by_bin("category", name, list(places), frequent)
    groups.where("other", name, other)
    groups.where("unseen", name, unseen)
    groups.by_code("new_value", name, names, np.where(unseen, codes, -1))


@dataclass(frozen=True)
class _Groups:
    """The rows of a batch by hour and version."""

    counts: ProfileCounts
    keys: Sequence[tuple[int, str]]
    places: Integers
    """Of the keys, in the totals."""
    codes: npt.NDArray[np.int64]
    weights: Floats
    weighted: bool
    """Whether any weight differs from 1."""

    @classmethod
    def of(cls, batch: pa.RecordBatch | pa.Table, counts: ProfileCounts) -> _Groups:
        hours, at = np.unique(integers(batch["time"]) // _HOUR * _HOUR, return_inverse=True)
        versions, version = encoded(batch["version"])
        if (version < 0).any():
            versions, version = _without_null(versions, version)
        keys = [(int(hour), version) for hour in hours for version in versions]
        codes = at * len(versions) + version
        weights = np.nan_to_num(floats(batch["weight"]), nan=1.0)
        return cls(counts, keys, counts.places(keys), codes.astype(np.int64), weights, bool((weights != 1).any()))

    def total(self, measure: str, column: str = "") -> None:
        """Count all rows."""
        self.by_bin(measure, column, ONE, np.zeros(len(self.codes), dtype=np.int64))

    def values(self, measure: str, column: str, values: pa.Array) -> None:
        """Count rows by value, except those without one."""
        self.by_code(measure, column, *encoded(values))

    def histogram(self, measure: str, column: str, values: Floats, edges: Sequence[float]) -> None:
        """Count rows by bin, those without a value as missing, and sum the values and their squares."""
        present = ~np.isnan(values)
        names = [str(bin_) for bin_ in range(len(edges) + 1)]
        if measure in _DECIDING:
            self.where("missing", column, ~present)
        whole = self if present.all() else self._of(present)
        values = values if whole is self else values[present]
        if len(values):
            whole.by_bin(measure, column, names, bins(values, edges))
        for name, powers in (("sum", values), ("squares", values**2)):
            whole._sums(f"{measure}_{name}", column, powers)

    def _of(self, chosen: npt.NDArray[np.bool_]) -> _Groups:
        """The groups of the chosen rows."""
        return replace(self, codes=self.codes[chosen], weights=self.weights[chosen])

    def by_code(self, measure: str, column: str, names: Sequence[str], codes: npt.NDArray[np.int64]) -> None:
        """Count rows by the name that their code stands for; a negative code counts nowhere."""
        inside = codes >= 0
        if not inside.any():
            return
        flat = self.codes[inside] * len(names) + codes[inside]
        rows = np.bincount(flat)
        weights = np.bincount(flat, self.weights[inside]) if self.weighted else rows
        places = np.flatnonzero(rows)
        if measure == "new_value" and len(places) > _MOST_IN_BATCH:
            places = places[np.argpartition(rows[places], -_MOST_IN_BATCH)[-_MOST_IN_BATCH:]]
        for place in places.tolist():
            hour, version = self.keys[place // len(names)]
            key = CountKey(hour, version, measure, column, names[place % len(names)])
            self.counts.add(key, float(rows[place]), float(weights[place]))

    def by_bin(self, measure: str, column: str, names: Sequence[str], codes: npt.NDArray[np.int64]) -> None:
        """The same for a measure whose names are those of every batch."""
        if codes.min() < 0:
            inside = codes >= 0
            if inside.any():
                self._of(inside).by_bin(measure, column, names, codes[inside])
            return
        shape, flat = (len(self.keys), len(names)), self.codes * len(names) + codes
        rows = np.bincount(flat, minlength=shape[0] * shape[1]).astype(np.float64)
        weights = np.bincount(flat, self.weights, len(rows)).astype(np.float64) if self.weighted else rows
        self._add(measure, column, names, rows.reshape(shape), weights.reshape(shape))

    def where(self, measure: str, column: str, chosen: npt.NDArray[np.bool_]) -> None:
        """Count the chosen rows."""
        if chosen.any():
            self._of(chosen).total(measure, column)

    def _sums(self, measure: str, column: str, values: Floats) -> None:
        sums = [values, values * self.weights] if self.weighted else [values]
        totals = [np.bincount(self.codes, each, len(self.keys)).astype(np.float64) for each in sums]
        self._add(measure, column, ONE, totals[0][:, None], totals[-1][:, None])

    def _add(self, measure: str, column: str, names: Sequence[str], rows: Floats, weights: Floats) -> None:
        """`rows` and `weights` are [groups, bins]."""
        self.counts.add_bins(measure, column, names, self.places, np.stack([rows, weights], axis=1))


def _without_null(names: list[str], codes: Integers) -> tuple[list[str], Integers]:
    """With the empty text where there is none."""
    names = names if "" in names else [*names, ""]
    return names, np.where(codes < 0, names.index(""), codes)


def _bounded(values: Mapping[CountKey, tuple[float, float]], most: int) -> Iterator[CountKey]:
    """All keys, of unseen categories the `most` frequent ones of each hour."""
    named: dict[CountKey, list[CountKey]] = {}
    for key in values:
        if key.measure == "new_value":
            named.setdefault(key._replace(key=""), []).append(key)
        else:
            yield key
    for keys in named.values():
        yield from sorted(keys, key=lambda key: (-values[key][0], key.key))[:most]


def _filtered(batch: pa.RecordBatch | pa.Table, mask: npt.NDArray[np.bool_]) -> pa.RecordBatch | pa.Table:
    """The rows of the mask; the batch itself, which most often it is, if these are all rows."""
    return batch if mask.all() else batch.filter(mask_to_arrow(mask))
