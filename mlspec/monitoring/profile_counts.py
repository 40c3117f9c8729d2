"""Counts that add up: predictions by hour, version, measure and bin. The profile of two hours is the sum of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

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

SCHEMA: Final = pa.schema(
    [
        ("hour", pa.timestamp("us", "UTC")),
        ("version", pa.string()),
        ("measure", pa.string()),
        ("column", pa.string()),
        ("key", pa.string()),
        ("rows", pa.float64()),
        ("weight", pa.float64()),
    ]
)
"""A profile: `rows` were logged, `weight` estimates how many there were before sampling. Both add up."""
NOTHING: Final = pa.Table.from_batches([], SCHEMA)
"""A profile of no predictions."""
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


class CountKey(NamedTuple):
    """What is counted: `column` and `key` are empty where the measure has none."""

    hour: int
    """Microseconds since 1970."""
    version: str
    measure: str
    column: str = ""
    key: str = ""


@dataclass
class _Bins:
    """Rows and weights of one measure of one column by hour and version; `names` of its bins."""

    names: pa.Array
    totals: dict[tuple[int, str], Floats] = field(default_factory=dict)
    """Of shape [2, bins]: rows, then weights."""

    def table(self, measure: str, column: str) -> pa.Table:
        groups = list(self.totals)
        values = np.stack([self.totals[group] for group in groups])
        at, bin_ = np.nonzero(values[:, 0])
        hours, versions = pa.array([g[0] for g in groups], pa.int64()), pa.array([g[1] for g in groups], pa.string())
        constants = [pa.repeat(pa.scalar(text), len(at)) for text in (measure, column)]
        rows, weights = values[at, 0, bin_], values[at, 1, bin_]
        arrays = [hours.take(at).cast(SCHEMA.field("hour").type), versions.take(at), *constants, self.names.take(bin_)]
        return pa.table([*arrays, rows, weights], schema=SCHEMA)


@dataclass
class ProfileCounts:
    """Rows and weights by key: of measures with known bins as arrays, of others one by one."""

    values: dict[CountKey, tuple[float, float]] = field(default_factory=dict)
    bins: dict[tuple[str, str], _Bins] = field(default_factory=dict)

    def add(self, key: CountKey, rows: float, weight: float) -> None:
        """Count `rows` more."""
        before = self.values.get(key, (0.0, 0.0))
        self.values[key] = (before[0] + rows, before[1] + weight)

    def add_bins(self, measure: str, column: str, names: Sequence[str], group: tuple[int, str], more: Floats) -> None:
        """Count more in every bin of an hour and version; `more` is [2, bins]."""
        known = self.bins.get((measure, column))
        if known is None:
            known = self.bins[measure, column] = _Bins(pa.array(names, pa.string()))
        before = known.totals.get(group)
        known.totals[group] = more if before is None else before + more

    def prune(self) -> None:
        """Forget rare unseen categories when there are very many."""
        if len(self.values) > _MOST_NEW:
            self.values = {key: self.values[key] for key in _bounded(self.values, 10 * NEW_VALUES)}

    def table(self) -> pa.Table:
        """The counts in a stable order. Of unseen categories each hour keeps the NEW_VALUES most frequent."""
        rows = [(*key, *self.values[key]) for key in _bounded(self.values, NEW_VALUES)]
        columns = ([row[at] for row in rows] for at in range(len(SCHEMA)))
        single = pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)
        tables = (known.table(measure, column) for (measure, column), known in self.bins.items())
        return pa.concat_tables([single, *tables]).sort_by([(key, "ascending") for key in CountKey._fields])


def merged(tables: Iterable[pa.Table]) -> pa.Table:
    """The profile of the union of what the tables are profiles of."""
    table = pa.concat_tables([NOTHING, *tables])
    keys = ["hour", "version", "measure", "column", "key"]
    summed = table.group_by(keys).aggregate([("rows", "sum"), ("weight", "sum")])
    return summed.rename_columns([*keys, "rows", "weight"]).sort_by([(k, "ascending") for k in keys]).cast(SCHEMA)


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
        self._requests(batch, counts)
        predicted = pc.equal(batch["outcome"], "success").fill_null(False)
        rows = _filtered(batch, predicted)
        if rows.num_rows:
            of_rows = _Groups.of(rows, counts)
            of_rows.total("predictions")
            self._predictions(rows, of_rows)
            for name, kind in self.columns.inputs.items():
                self._input(rows, of_rows, name, kind)
        counts.prune()

    def _requests(self, batch: pa.RecordBatch | pa.Table, counts: ProfileCounts) -> None:
        """A request with several rows counts once: with its first row, or as the line of a failure."""
        first = pc.equal(pc.fill_null(batch["row"], 0), 0)
        requests = _filtered(batch, first)
        if requests.num_rows:
            groups = _Groups.of(requests, counts)
            groups.total("requests")
            groups.values("outcome", "", requests["outcome"])
            groups.values("status", "", pc.cast(requests["status"], pa.string()))
            groups.values("error", "", requests["error"])
            groups.histogram("latency", "", _floats(requests["latency_ms"]), LATENCY_EDGES)

    def _predictions(self, rows: pa.RecordBatch | pa.Table, groups: _Groups) -> None:
        if self.columns.labels:
            groups.values("label", "", rows["label"])
            groups.histogram("score", "", _floats(rows["score"]), score_edges(self.reference))
            return
        grid = self.reference.values.value if self.reference and self.reference.values else QuantileGrid()
        groups.histogram("value", "", _floats(rows["value"]), grid.edges)

    def _input(self, rows: pa.RecordBatch | pa.Table, groups: _Groups, name: str, kind: str) -> None:
        known = self.reference.columns.get(name) if self.reference else None
        if kind == "category":
            _categories(groups, name, rows[f"input.{name}"], known if isinstance(known, CategoryReference) else None)
            return
        measures = LENGTHS if kind == "text" else PIXELS if kind == "image" else ("number",)
        for measure in measures:
            column = f"input.{name}" if measure == "number" else f"{measure}.{name}"
            groups.histogram(measure, name, _floats(rows[column]), grid_of(known, measure).edges)


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
    encoded = _array(values).dictionary_encode()
    names: list[str] = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
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
    codes: npt.NDArray[np.int64]
    weights: Floats
    weighted: bool
    """Whether any weight differs from 1."""

    @classmethod
    def of(cls, batch: pa.RecordBatch | pa.Table, counts: ProfileCounts) -> _Groups:
        micros = _array(batch["time"]).cast(pa.int64()).to_numpy(zero_copy_only=False)
        hours, at = np.unique(micros // _HOUR * _HOUR, return_inverse=True)
        encoded = _array(pc.fill_null(batch["version"], "")).dictionary_encode()
        versions: list[str] = encoded.dictionary.to_pylist()
        keys = [(int(hour), version) for hour in hours for version in versions]
        codes = at * len(versions) + encoded.indices.to_numpy(zero_copy_only=False)
        weights = np.nan_to_num(_floats(batch["weight"]), nan=1.0)
        return cls(counts, keys, codes.astype(np.int64), weights, bool((weights != 1).any()))

    def total(self, measure: str) -> None:
        """Count all rows."""
        self.by_bin(measure, "", ONE, np.zeros(len(self.codes), dtype=np.int64))

    def values(self, measure: str, column: str, values: pa.Array) -> None:
        """Count rows by value, except those without one."""
        encoded = _array(values).dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        self.by_code(measure, column, encoded.dictionary.to_pylist(), codes)

    def histogram(self, measure: str, column: str, values: Floats, edges: Sequence[float]) -> None:
        """Count rows by bin, those without a value as missing, and sum the values and their squares."""
        present = ~np.isnan(values)
        names = [str(bin_) for bin_ in range(len(edges) + 1)]
        self.by_bin(measure, column, names, np.where(present, bins(values, edges), -1))
        if measure in _DECIDING:
            self.where("missing", column, ~present)
        for name, powers in (("sum", values), ("squares", values**2)):
            self._sums(f"{measure}_{name}", column, np.where(present, powers, 0.0))

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
        inside = codes >= 0
        if inside.any():
            flat = self.codes[inside] * len(names) + codes[inside]
            self._add(measure, column, names, flat, inside)

    def where(self, measure: str, column: str, chosen: npt.NDArray[np.bool_]) -> None:
        """Count the chosen rows."""
        if chosen.any():
            self._add(measure, column, ONE, self.codes[chosen], chosen)

    def _sums(self, measure: str, column: str, values: Floats) -> None:
        size = len(self.keys)
        total = np.bincount(self.codes, values, size)
        weighted = np.bincount(self.codes, values * self.weights, size) if self.weighted else total
        self._add_totals(measure, column, ONE, np.stack([total, weighted], axis=1)[:, :, None].astype(np.float64))

    def _add(
        self,
        measure: str,
        column: str,
        names: Sequence[str],
        flat: npt.NDArray[np.int64],
        chosen: npt.NDArray[np.bool_],
    ) -> None:
        """`flat` are group and bin of the chosen rows."""
        shape = (len(self.keys), len(names))
        rows = np.bincount(flat, minlength=shape[0] * shape[1]).astype(np.float64)
        weighted = np.bincount(flat, self.weights[chosen], shape[0] * shape[1]) if self.weighted else rows
        self._add_totals(measure, column, names, np.stack([rows.reshape(shape), weighted.reshape(shape)], axis=1))

    def _add_totals(self, measure: str, column: str, names: Sequence[str], totals: Floats) -> None:
        """`totals` is [groups, 2, bins]."""
        for place in np.flatnonzero(totals[:, 0].any(axis=1)).tolist():
            self.counts.add_bins(measure, column, names, self.keys[place], totals[place])


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


def _filtered(batch: pa.RecordBatch | pa.Table, mask: pa.Array) -> pa.RecordBatch | pa.Table:
    """The rows of the mask; the batch itself, which most often it is, if these are all rows."""
    return batch if pc.all(mask).as_py() else batch.filter(mask)


def _floats(values: pa.Array) -> Floats:
    return np.asarray(_array(values).cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
