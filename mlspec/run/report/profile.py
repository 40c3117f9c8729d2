"""`data/profile.json` to frozen data: columns with their distributions, splits, label shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlspec.run.report.files import json_file, mapping, numbers, real, reals, sequence, whole


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the training split. `shape` says what `counts` counts; `facts` are its figures by name."""

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
class Profile:
    """What the data looks like."""

    rows: int
    splits: Mapping[str, float]
    columns: tuple[Column, ...]
    shares: Mapping[str, float]


def profile(artifacts: Path, labels: tuple[str, ...]) -> Profile | None:
    """The profile, None where there is none. Labels come in the order of the schema."""
    found = json_file(artifacts / "data/profile.json")
    columns = tuple(_column(name, mapping(entry)) for name, entry in mapping(found.get("columns")).items())
    if not columns:
        return None
    given = _shares(found)
    known = {label: given[label] for label in labels if label in given}
    return Profile(whole(found.get("rows")), numbers(found.get("splits")), columns, known | given)


def _shares(found: Mapping[str, object]) -> dict[str, float]:
    """Label shares: of the target's column, or of the profile as a whole."""
    entries = [found, *map(mapping, mapping(found.get("columns")).values())]
    return next((shares for entry in entries if (shares := numbers(entry.get("shares")))), {})


def _column(name: str, entry: Mapping[str, object]) -> Column:
    figures = mapping(entry.get("lengths")) or entry
    histogram = mapping(figures.get("histogram"))
    edges, counts = reals(histogram.get("edges")), reals(histogram.get("counts"))
    fits = len(edges) == len(counts) + 1
    top = [
        (str(item.get("value")), number)
        for item in map(mapping, sequence(entry.get("top")))
        if (number := real(item.get("count"))) is not None
    ]
    named = ("mean", "std", "min", "max", "unique", "channels", "height", "width")
    facts = {key: number for key in named if (number := _figure(figures.get(key))) is not None}
    facts |= {f"q{key}": value for key, value in numbers(figures.get("quantiles")).items()}
    return Column(
        name,
        str(entry.get("type") or ""),
        whole(entry.get("count")),
        whole(entry.get("missing")),
        edges if fits else (),
        counts if fits else (),
        tuple(top),
        facts,
    )


def _figure(value: object) -> float | None:
    """A number, or the mean of one for each channel."""
    channels = reals(value)
    return sum(channels) / len(channels) if channels else real(value)
