"""Counts by hour, version, measure, column and key as a table: a profile. Profiles add up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from mlspec.monitoring.arrow_arrays import Integers, texts_to_arrow, to_arrow
from mlspec.monitoring.baseline.quantile_grid import Floats

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


class CountKey(NamedTuple):
    """What is counted: `column` and `key` are empty where the measure has none."""

    hour: int
    """Microseconds since 1970."""
    version: str
    measure: str
    column: str = ""
    key: str = ""


@dataclass(frozen=True)
class CountColumns:
    """Counts as columns of a profile."""

    hours: Integers
    texts: Sequence[tuple[Sequence[str], Integers]]
    """Version, measure, column and key: distinct texts, and the place of each row's text among them."""
    rows: Floats
    weights: Floats


def places_of(texts: Sequence[str]) -> tuple[list[str], Integers]:
    """The distinct texts, and the place of each among them."""
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return list(places), np.fromiter(map(places.__getitem__, texts), np.int64, len(texts))


def profile_table(parts: Sequence[CountColumns]) -> pa.Table:
    """The counts in order of hour, version, measure, column and key.

    Texts are sorted as their places among the distinct ones, which takes a fifth of the time.
    """
    hours = np.concatenate([part.hours for part in parts])
    texts = []
    for at in range(len(CountKey._fields) - 1):
        names = sorted({name for part in parts for name in part.texts[at][0]})
        places = {name: place for place, name in enumerate(names)}
        codes = [np.asarray([places[n] for n in part.texts[at][0]], np.int64)[part.texts[at][1]] for part in parts]
        texts.append((names, np.concatenate(codes)))
    order = _order([np.unique(hours, return_inverse=True)[1], *(codes for _, codes in texts)])
    columns = [texts_to_arrow(names).take(to_arrow(codes[order])) for names, codes in texts]
    counts = [to_arrow(np.concatenate(each)[order]) for each in ([p.rows for p in parts], [p.weights for p in parts])]
    return pa.table([to_arrow(hours[order]).cast(SCHEMA.field("hour").type), *columns, *counts], schema=SCHEMA)


def _order(keys: Sequence[Integers]) -> Integers:
    """The order by non-negative keys, the first one first."""
    sizes = [int(key.max(initial=0)) + 1 for key in keys]
    if math.prod(sizes) >= 2**63:
        return np.lexsort(keys[::-1])
    whole = np.zeros(len(keys[0]), dtype=np.int64)
    for key, size in zip(keys, sizes, strict=True):
        whole = whole * size + key
    return np.argsort(whole)


def merged(tables: Iterable[pa.Table]) -> pa.Table:
    """The profile of the union of what the tables are profiles of."""
    table = pa.concat_tables([NOTHING, *tables])
    keys = ["hour", "version", "measure", "column", "key"]
    summed = table.group_by(keys).aggregate([("rows", "sum"), ("weight", "sum")])
    return summed.rename_columns([*keys, "rows", "weight"]).sort_by([(k, "ascending") for k in keys]).cast(SCHEMA)
