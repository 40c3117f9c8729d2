"""Rows to splits: seeded, stratified, identical on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import pyarrow as pa

from mlspec.errors import StageError
from mlspec.parts.data.raw_rows import Failure, Raw
from mlspec.sections.data import SPLITS, DataSpec

Unit = list[int]
"""Rows that stay together."""

_ALSO = {"dev": "valid", "val": "valid", "validation": "valid", "training": "train"}


def divided(data: DataSpec, raw: Raw) -> tuple[dict[str, list[int]], list[Failure]]:
    """The row positions of each split in file order, and failures for rows with an unknown split.

    Splits with separate files get none here. The rows are typed: a class target holds label positions. Raises
    StageError if a split has no rows.
    """
    if data.split.column is not None:
        rows_of, failures = _by_column(data.split.column, raw)
        if failures:
            return rows_of, failures
    else:
        rows_of, failures = _by_share(data, raw), []
    for name in SPLITS:
        if not rows_of[name] and name not in data.sources:
            rows = raw.table.num_rows
            message = f"the split has no rows for {name}: the data has {rows} row{'s' if rows != 1 else ''}"
            if isinstance(share := getattr(data.split, name, None), float):
                message += f", and data.split.{name} is {share:g}"
            raise StageError(message, help="add data, or change data.split")
    return {name: sorted(rows) for name, rows in rows_of.items()}, []


def _by_column(column: str, raw: Raw) -> tuple[dict[str, list[int]], list[Failure]]:
    raw.need(column, "data.split.column is")
    rows_of: dict[str, list[int]] = {name: [] for name in SPLITS}
    unknown: list[int] = []
    for row, value in enumerate(raw.table[column].to_pylist()):
        rows_of.get(_ALSO.get(str(value), str(value)), unknown).append(row)
    return rows_of, raw.failure(column, "is not one of: train, valid, test", unknown)


def _by_share(data: DataSpec, raw: Raw) -> dict[str, list[int]]:
    """Units in hash order; each stratum is divided by the shares."""
    settings = {name: getattr(data.split, name) for name in ("valid", "test")}
    shares = {name: float(share) for name, share in settings.items() if not isinstance(share, str)}
    rows_of: dict[str, list[int]] = {name: [] for name in SPLITS}
    if sum(shares.values()) >= 1:
        # The check of the spec reports this too, but does not see the overrides of a single run.
        message = f"valid and test add up to {sum(shares.values()):g}, so no rows are left for train"
        raise StageError(message, help="reduce data.split.valid and .test")
    remainder = dict.fromkeys(shares, 0.0)
    for units in _strata(data, raw):
        rest: Sequence[Unit] = sorted(units, key=lambda unit: _rank(data.split.seed, unit[0]))
        size = sum(map(len, rest))
        for name, share in shares.items():
            # Rounding errors carry over to the next stratum, so that the totals match the shares.
            exact = share * size + remainder[name]
            taken, rest = _cut(rest, exact)
            remainder[name] = exact - len(taken)
            rows_of[name] += taken
        rows_of["train"] += [row for unit in rest for row in unit]
    return rows_of


def _cut(units: Sequence[Unit], rows: float) -> tuple[list[int], Sequence[Unit]]:
    """The first whole units with about `rows` rows, and the rest; the last unit always remains for train."""
    taken: list[int] = []
    used = 0
    while used < len(units) - 1 and len(taken) + len(units[used]) / 2 <= rows:
        taken += units[used]
        used += 1
    return taken, units[used:]


def _strata(data: DataSpec, raw: Raw) -> list[list[Unit]]:
    """Units by the class of their first row, the rarest class first, so that later strata correct its rounding."""
    units = _units(data, raw)
    if not data.split.stratify or data.target.type == "number":
        return [units]
    targets = raw.table[data.target.column].to_pylist()
    strata: dict[int, list[Unit]] = {}
    for unit in units:
        strata.setdefault(targets[unit[0]], []).append(unit)
    return [strata[target] for target in sorted(strata, key=lambda t: (len(strata[t]), t))]


def _units(data: DataSpec, raw: Raw) -> list[Unit]:
    """Single rows, or the rows of each group; a row without a group is a unit of its own."""
    if data.split.group is None:
        return [[row] for row in range(raw.table.num_rows)]
    raw.need(data.split.group, "data.split.group is")
    groups: dict[str, Unit] = {}
    alone: list[Unit] = []
    for row, value in enumerate(raw.table[data.split.group].to_pylist()):
        if value is None:
            alone.append([row])
        else:
            groups.setdefault(repr(value), []).append(row)
    return [*groups.values(), *alone]


def _rank(seed: int, row: int) -> bytes:
    """A sort key for a random order that depends only on the seed and the row number."""
    return hashlib.blake2b(f"{seed}:{row}".encode(), digest_size=8).digest()


def splits(sources: Mapping[str, Raw], rows: Mapping[str, Sequence[int]]) -> dict[str, pa.Table]:
    """The table of each split: a separate file, or its rows of the source."""
    whole = sources[""].table
    return {
        name: sources[name].table if name in sources else whole.take(pa.array(rows[name], pa.int64()))
        for name in SPLITS
    }
