"""Rows to splits: seeded, stratified, the same on every machine."""

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
    """Positions of each split's rows in file order, and rows whose split cannot be told.

    Splits with files of their own get none here. The rows are typed: a class target holds positions. Raises StageError
    where a split is left without rows.
    """
    if data.split.column is not None:
        found, failures = _by_column(data.split.column, raw)
        if failures:
            return found, failures
    else:
        found, failures = _by_share(data, raw), []
    for name in SPLITS:
        if not found[name] and name not in data.sources:
            rows = raw.table.num_rows
            message = f"the split leaves no rows for {name}: there {'are' if rows != 1 else 'is'} {rows} in all"
            if isinstance(share := getattr(data.split, name, None), float):
                message += f", and data.split.{name} is {share:g}"
            raise StageError(message, help="get more data, or change data.split")
    return {name: sorted(rows) for name, rows in found.items()}, []


def _by_column(column: str, raw: Raw) -> tuple[dict[str, list[int]], list[Failure]]:
    raw.need(column, "data.split.column names")
    found: dict[str, list[int]] = {name: [] for name in SPLITS}
    unknown: list[int] = []
    for row, value in enumerate(raw.table[column].to_pylist()):
        found.get(_ALSO.get(str(value), str(value)), unknown).append(row)
    return found, raw.failure(column, "is not one of: train, valid, test", unknown)


def _by_share(data: DataSpec, raw: Raw) -> dict[str, list[int]]:
    """Units in an order that hashing gives; each stratum is cut by the shares in turn."""
    given = {name: getattr(data.split, name) for name in ("valid", "test")}
    shares = {name: float(share) for name, share in given.items() if not isinstance(share, str)}
    found: dict[str, list[int]] = {name: [] for name in SPLITS}
    if sum(shares.values()) >= 1:
        # The spec's check says so too; an override of a single run comes only here.
        taken_by_both = f"validation and test take {sum(shares.values()):g} of the rows"
        raise StageError(f"{taken_by_both}; none are left to train on", help="make data.split.valid and .test smaller")
    owed = dict.fromkeys(shares, 0.0)
    for units in _strata(data, raw):
        rest: Sequence[Unit] = sorted(units, key=lambda unit: _rank(data.split.seed, unit[0]))
        size = sum(map(len, rest))
        for name, share in shares.items():
            # What rounding took from one stratum is given back in the next, so that totals keep to the shares.
            exact = share * size + owed[name]
            taken, rest = _cut(rest, exact)
            owed[name] = exact - len(taken)
            found[name] += taken
        found["train"] += [row for unit in rest for row in unit]
    return found


def _cut(units: Sequence[Unit], rows: float) -> tuple[list[int], Sequence[Unit]]:
    """Whole units off the front, as close to `rows` rows as they come; the last unit always stays, for training."""
    taken: list[int] = []
    used = 0
    while used < len(units) - 1 and len(taken) + len(units[used]) / 2 <= rows:
        taken += units[used]
        used += 1
    return taken, units[used:]


def _strata(data: DataSpec, raw: Raw) -> list[list[Unit]]:
    """Units by the class of their first row, the rarest class first: what it cannot give the others make up for."""
    units = _units(data, raw)
    if not data.split.stratify or data.target.type == "number":
        return [units]
    targets = raw.table[data.target.column].to_pylist()
    strata: dict[int, list[Unit]] = {}
    for unit in units:
        strata.setdefault(targets[unit[0]], []).append(unit)
    return [strata[target] for target in sorted(strata, key=lambda t: (len(strata[t]), t))]


def _units(data: DataSpec, raw: Raw) -> list[Unit]:
    """Single rows, or rows of one group; a row without a group is on its own."""
    if data.split.group is None:
        return [[row] for row in range(raw.table.num_rows)]
    raw.need(data.split.group, "data.split.group names")
    groups: dict[str, Unit] = {}
    alone: list[Unit] = []
    for row, value in enumerate(raw.table[data.split.group].to_pylist()):
        if value is None:
            alone.append([row])
        else:
            groups.setdefault(repr(value), []).append(row)
    return [*groups.values(), *alone]


def _rank(seed: int, row: int) -> bytes:
    """A place in a random order that depends on nothing but the seed and the row's number."""
    return hashlib.blake2b(f"{seed}:{row}".encode(), digest_size=8).digest()


def splits(sources: Mapping[str, Raw], rows: Mapping[str, Sequence[int]]) -> dict[str, pa.Table]:
    """The table of each split: of a file of its own, or its rows of the whole source."""
    whole = sources[""].table
    return {
        name: sources[name].table if name in sources else whole.take(pa.array(rows[name], pa.int64()))
        for name in SPLITS
    }
