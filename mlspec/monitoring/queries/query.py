"""A query: measures by name, and what they are grouped by."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from mlspec.monitoring.queries.measure import Counted, Measure, Unit


class Grouping(StrEnum):
    """What records are grouped by; COLUMN is the input of `missing`, `unseen` and of drift.

    METRIC is the measure of a reported quality; LABEL of a report is the label that it is about, and SLICE the slice,
    such as `town=Bonn`.
    """

    TIME = "time"
    VERSION = "version"
    LABEL = "label"
    COLUMN = "column"
    METRIC = "metric"
    SLICE = "slice"


class Series(NamedTuple):
    """One measure with the name of its column and a title for readers."""

    name: str
    title: str
    measure: Measure

    @property
    def unit(self) -> Unit:
        """The unit of the measure."""
        return self.measure.unit


class Query(NamedTuple):
    """Measures for each group; one row for the whole time range without groups."""

    series: tuple[Series, ...]
    by: tuple[Grouping, ...] = ()


class ModelShape(NamedTuple):
    """What the queries are about: the project, its task, inputs by type, labels, and the limit of low confidence.

    `labels` is empty where they are known only from the data.
    """

    project: str
    task: str
    inputs: tuple[tuple[str, str], ...]
    labels: tuple[str, ...] = ()
    low_confidence: float = 0.5
    known: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The values of categories in the training data; an input without them has no unseen values in SQL."""
    unlisted: tuple[str, ...] = ()
    """Categories of whose values it is not known whether they are unseen: hashed ones, or too many to list."""
    sliced: bool = False
    """Whether the quality of slices is measured."""

    def columns(self, counted: Counted) -> tuple[str, ...]:
        """The inputs whose missing or unseen values can be counted: unseen ones of a category, none of an image."""
        if counted is Counted.UNSEEN:
            return tuple(name for name, kind in self.inputs if kind == "category" and name not in self.unlisted)
        return tuple(name for name, kind in self.inputs if kind != "image")

    def values(self, column: str) -> tuple[str, ...]:
        """The known values of a category."""
        return dict(self.known).get(column, ())
