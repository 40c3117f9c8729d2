"""Rows with equal inputs in train and in another split, or with different labels: one warning each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa

from mlspec.parts.data.cell_values import shown as shown_value
from mlspec.parts.data.raw_rows import RowPlace
from mlspec.sections.data import DataSpec

Keys = Mapping[str, Sequence[bytes]]
"""A digest of the inputs for each row of each split."""
Where = Callable[[str, int], RowPlace]
"""The file and row that a row of a split comes from."""
_SAME = 0.01
"""Share of a split's rows above which a warning reports that train contains them too."""
_MOST = 2_000_000
"""Maximum number of rows that are compared: the digests are held in memory."""
_SHOWN = 3
_BATCH = 1024


def repeats(data: DataSpec, tables: Mapping[str, pa.Table], labels: Sequence[str], where: Where) -> Iterator[str]:
    """Warnings about rows that also occur in train, and about equal rows with different labels."""
    rows = sum(table.num_rows for table in tables.values())
    if rows > _MOST:
        yield f"duplicate rows were not searched for: the data has {rows:,} rows, the limit is {_MOST:,}"
        return
    keys = {split: list(_keys(list(data.columns), table)) for split, table in tables.items()}
    if data.target.type == "class":
        targets = {split: table[data.target.column].to_pylist() for split, table in tables.items()}
        yield from _contradictions(keys, targets, labels, where)
    yield from _known(keys)


def _keys(inputs: Sequence[str], table: pa.Table) -> Iterator[bytes]:
    for batch in table.select(inputs).to_batches(max_chunksize=_BATCH):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            parts = [hashlib.sha256(value).digest() if isinstance(value, bytes) else value for value in row]
            yield hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _known(keys: Keys) -> Iterator[str]:
    train = set(keys["train"])
    for split in ("valid", "test"):
        known = sum(key in train for key in keys[split])
        if known > _SAME * len(keys[split]):
            same = f"{known} of {len(keys[split])} rows of {split} have the same inputs as a row of train"
            yield f"{same}: its metrics are too optimistic"


def _contradictions(
    keys: Keys, targets: Mapping[str, Sequence[int]], labels: Sequence[str], where: Where
) -> Iterator[str]:
    """Equal inputs with different labels: a model can predict only one of them correctly."""
    first: dict[bytes, int] = {}
    every = [(key, label) for split in keys for key, label in zip(keys[split], targets[split], strict=True)]
    several = {key for key, label in every if first.setdefault(key, label) != label}
    if not several:
        return
    groups: dict[bytes, dict[int, tuple[str, int]]] = {}
    count = 0
    for split in keys:
        for row, (key, label) in enumerate(zip(keys[split], targets[split], strict=True)):
            if key in several:
                count += 1
                groups.setdefault(key, {}).setdefault(label, (split, row))
    shown = [_places(group, labels, where) for group in list(groups.values())[:_SHOWN]]
    more = f"; and {len(groups) - _SHOWN} more" if len(groups) > _SHOWN else ""
    yield f"{count} rows share their inputs with a row of a different label: {'; '.join(shown)}{more}"


def _places(group: Mapping[int, tuple[str, int]], labels: Sequence[str], where: Where) -> str:
    parts = []
    for label, at in list(group.items())[:_SHOWN]:
        place = where(*at)
        parts.append(f"{place.file}{f' row {place.row}' if place.row else ''} is {shown_value(labels[label])}")
    return ", ".join(parts)
