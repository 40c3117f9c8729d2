"""Rows to splits: seeded, stratified, the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pyarrow as pa

from mlspec.errors import StageError
from mlspec.parts.data.spec import SPLITS, DataSpec


def divided(data: DataSpec, table: pa.Table, fixed: set[str]) -> dict[str, list[int]]:
    """Positions of the rows of each split, in file order. `fixed` splits have files of their own and get none here."""
    if data.split.column is not None:
        found = _by_column(data.split.column, table)
    else:
        shares = {s: float(getattr(data.split, s)) for s in ("valid", "test") if s not in fixed}
        found = _by_share(data, table, shares)
    for name in SPLITS:
        if not found.get(name) and name not in fixed:
            raise StageError(
                f"the split leaves no rows for {name}: there are {table.num_rows} rows in all",
                help="get more data, or change data.split",
            )
    return {name: sorted(found.get(name, [])) for name in SPLITS}


def _by_column(column: str, table: pa.Table) -> dict[str, list[int]]:
    if column not in table.column_names:
        raise StageError(f"data.split.column names `{column}`, which the data does not have")
    found: dict[str, list[int]] = {name: [] for name in SPLITS}
    for row, value in enumerate(table[column].to_pylist()):
        name = {"dev": "valid", "validation": "valid", "val": "valid", "training": "train"}.get(str(value), str(value))
        if name not in found:
            raise StageError(f'`{column}` of row {row + 1} is "{value}"', help="it names a split: train, valid or test")
        found[name].append(row)
    return found


def _by_share(data: DataSpec, table: pa.Table, shares: dict[str, float]) -> dict[str, list[int]]:
    """Units (rows, or groups of rows) in an order that hashing gives; each stratum is cut by the shares in turn."""
    units = _units(data, table)
    strata: dict[object, list[list[int]]] = {}
    targets = table[data.target.column].to_pylist() if data.split.stratify and data.target.type == "class" else None
    for unit in units:
        strata.setdefault(targets[unit[0]] if targets else None, []).append(unit)
    found: dict[str, list[int]] = {name: [] for name in SPLITS}
    owed = dict.fromkeys(shares, 0.0)
    for _, members in sorted(strata.items(), key=lambda item: str(item[0])):
        members.sort(key=lambda unit: _rank(data.split.seed, unit[0]))
        start = 0
        for name, share in shares.items():
            # What rounding took from one stratum is given back in the next, so that totals keep to the shares.
            exact = share * len(members) + owed[name]
            count = min(max(round(exact), 0), len(members) - start)
            owed[name] = exact - count
            found[name] += [row for unit in members[start : start + count] for row in unit]
            start += count
        found["train"] += [row for unit in members[start:] for row in unit]
    return found


def _units(data: DataSpec, table: pa.Table) -> list[list[int]]:
    if data.split.group is None:
        return [[row] for row in range(table.num_rows)]
    if data.split.group not in table.column_names:
        raise StageError(f"data.split.group names `{data.split.group}`, which the data does not have")
    groups: dict[object, list[int]] = {}
    for row, value in enumerate(table[data.split.group].to_pylist()):
        groups.setdefault(value, []).append(row)
    return list(groups.values())


def _rank(seed: int, row: int) -> bytes:
    """A place in a random order that depends on nothing but the seed and the row's number."""
    return hashlib.blake2b(f"{seed}:{row}".encode(), digest_size=8).digest()


def take(table: pa.Table, rows: Sequence[int]) -> pa.Table:
    """Those rows of the table."""
    return table.take(pa.array(rows, pa.int64()))
