"""Rates of missing and unseen values as one series for each input, for stores that have one column for each."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.monitoring.queries.measure import Counted, Latest, Rate
from mlspec.monitoring.queries.query import Grouping, ModelShape, Query, Series

FLAGS = {Counted.MISSING: "missing", Counted.UNSEEN: "unseen"}
"""What is counted for each input."""


def expanded(query: Query, shape: ModelShape) -> Query:
    """`query` with a series for each input in place of the grouping by input."""
    if Grouping.COLUMN not in query.by or any(isinstance(s.measure, Latest) for s in query.series):
        return query
    series = tuple(one for s in query.series for one in _series(s, shape))
    return Query(series, tuple(g for g in query.by if g is not Grouping.COLUMN))


def _series(series: Series, shape: ModelShape) -> Iterator[Series]:
    measure = series.measure
    if not isinstance(measure, Rate) or measure.part not in FLAGS:
        yield series
        return
    for column in shape.columns(measure.part):
        yield Series(f"{series.name} {column}", column, Rate(measure.part, measure.whole, column))
