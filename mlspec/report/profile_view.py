"""The profile of the data as the report shows it: columns with their distributions, splits, label shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlspec.records.profile import ColumnProfile, Profile


@dataclass(frozen=True, slots=True)
class ColumnView:
    """One column of the training split. `counts` are those of the bins between `edges`; `facts` its figures by name."""

    name: str
    type: str
    count: int
    missing: int
    edges: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()
    top: tuple[tuple[str, float], ...] = ()
    facts: Mapping[str, float] | None = None

    @property
    def missing_share(self) -> float:
        """The part of the rows that have no value."""
        rows = max(self.count, self.missing) if self.count < self.missing else self.count
        return min(1.0, self.missing / rows) if rows else 0.0


@dataclass(frozen=True, slots=True)
class ProfileView:
    """Statistics of the data."""

    rows: int
    splits: Mapping[str, float]
    columns: tuple[ColumnView, ...]
    shares: Mapping[str, float]


def profile(artifacts: Path, labels: tuple[str, ...]) -> ProfileView | None:
    """The profile; None without columns. Labels are in the order of the schema."""
    record = Profile.find(artifacts)
    if record is None or not record.columns:
        return None
    columns = tuple(_column(name, column) for name, column in record.columns.items())
    shares = next((column.shares for column in record.columns.values() if column.shares), {})
    ordered = {label: shares[label] for label in labels if label in shares}
    return ProfileView(record.rows, record.splits, columns, {**ordered, **shares})


def _column(name: str, column: ColumnProfile) -> ColumnView:
    figures = column.distribution
    histogram = figures.histogram
    fits = histogram is not None and len(histogram.edges) == len(histogram.counts) + 1
    named = {
        "mean": figures.mean,
        "std": figures.std,
        "min": figures.min,
        "max": figures.max,
        "unique": column.unique,
        "channels": column.channels,
        "height": column.height,
        "width": column.width,
    }
    facts = {key: float(value) for key, value in named.items() if value is not None}
    facts |= {f"q{key}": value for key, value in figures.quantiles.items()}
    return ColumnView(
        name,
        column.type,
        column.count,
        column.missing,
        histogram.edges if histogram and fits else (),
        histogram.counts if histogram and fits else (),
        tuple((item.value, item.count) for item in column.top),
        facts,
    )
