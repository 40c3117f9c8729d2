"""The expected error of a regression's predictions in the log, by version and over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa

from mlspec.monitoring.baseline.error_model import ErrorModel, ErrorRows
from mlspec.monitoring.baseline.reference import TextReference, ValueReference, unpack
from mlspec.monitoring.drift.drift_alarm import column_title
from mlspec.monitoring.duckdb_session import quoted_name
from mlspec.monitoring.panel_data import RunQuery, ViewedRange
from mlspec.monitoring.quality.estimated_quality import Estimate
from mlspec.monitoring.quality.expected_error import ASSUMPTION, expected_absolute, expected_errors, no_skill
from mlspec.monitoring.tested_errors import unseen_words
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.render.formatting import share

NEWEST: Final = 20_000
"""Predictions of a version from which its error is expected, the newest ones."""
_SPREAD: Final = 20_000
"""The same for a chart: spread over its range of time."""
_T = TypeVar("_T")
_RANGE: Final = "value IS NOT NULL AND isfinite(value) AND time >= ? AND time < ?"


@dataclass(frozen=True, slots=True)
class ExpectedLook:
    """By version: what is expected without labels, why nothing is, and what makes it less certain."""

    absolute: Mapping[str, Estimate] = field(default_factory=dict)
    squared: Mapping[str, Estimate] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    beyond: Mapping[str, str] = field(default_factory=dict)

    def of(self, versions: frozenset[str]) -> ExpectedLook:
        """What is known of these versions."""
        return ExpectedLook(
            _some(self.absolute, versions),
            _some(self.squared, versions),
            _some(self.problems, versions),
            _some(self.beyond, versions),
        )

    def words(self) -> str:
        """What it assumes, or why nothing is expected; empty without predictions."""
        problems: dict[str, list[str]] = {}
        for version, problem in sorted(self.problems.items()):
            problems.setdefault(problem, []).append(version)
        missing = [f"is not known for version {' and '.join(names)}: {why}" for why, names in problems.items()]
        known = [ASSUMPTION] if self.absolute else []
        beyond = [f"in version {version}, {words}" for version, words in sorted(self.beyond.items())]
        return "; ".join([*known, *beyond, *missing])


def _some(part: Mapping[str, _T], versions: frozenset[str]) -> dict[str, _T]:
    return {version: each for version, each in part.items() if version in versions}


def expected_look(model: WatchedModel, run: RunQuery, viewed: ViewedRange) -> ExpectedLook:
    """What is expected of the newest predictions of each version."""
    absolute: dict[str, Estimate] = {}
    squared: dict[str, Estimate] = {}
    problems, beyond = dict[str, str](), dict[str, str]()
    for version in _versions(run, viewed):
        known = model.reference_of(version).values
        learned = _usable(model, known)
        if known is None or isinstance(learned, str):
            problems[version] = str(learned)
            continue
        table = _table(run, learned, version, viewed, f"ORDER BY time DESC LIMIT {NEWEST}")
        result = expected_errors(learned, _rows(model, learned, version, table))
        if result is not None:
            absolute[version] = replace(result.absolute, tested=known.error.mean)
        if result is not None and result.squared is not None:
            squared[version] = replace(result.squared, tested=known.squared)
        if result is not None and result.beyond:
            shares = " and ".join(f"{share(part)} of {column_title(name)}" for name, part in result.beyond)
            beyond[version] = (
                f"{shares} are missing or beyond 98% of the test split, which shows little of their errors"
            )
    return ExpectedLook(absolute, squared, problems, beyond)


def expected_errors_over_time(
    model: WatchedModel, run: RunQuery, viewed: ViewedRange
) -> dict[str, dict[datetime, float]]:
    """The expected absolute error of each version, of the predictions of each stretch of time."""
    result: dict[str, dict[datetime, float]] = {}
    for version in _versions(run, viewed):
        learned = _usable(model, model.reference_of(version).values)
        if isinstance(learned, str):
            continue
        table = _table(run, learned, version, viewed, f"ORDER BY hash(id) LIMIT {_SPREAD}")
        moments = np.array([moment.timestamp() for moment in table["moment"].to_pylist()])
        errors = expected_absolute(learned, _rows(model, learned, version, table))
        for moment in dict.fromkeys(table["moment"].to_pylist()):
            result.setdefault(version, {})[moment] = float(errors[moments == moment.timestamp()].mean())
    return result


def _versions(run: RunQuery, viewed: ViewedRange) -> list[str]:
    limits = [viewed.since, viewed.until]
    versions = run(
        f"SELECT DISTINCT version FROM predictions WHERE version IS NOT NULL AND {_RANGE} ORDER BY 1", limits
    )
    return [str(version) for version in versions.column(0).to_pylist()]


def _usable(model: WatchedModel, known: ValueReference | None) -> ErrorModel | str:
    """The model of the errors of a version, or why there is none that can be used."""
    learned = known.errors if known is not None else None
    if learned is None:
        return (
            "its reference has no model of its errors, which `mlspec monitor` learns where the test split and its "
            "predictions are (mlspec apply --until evaluate)"
        )
    hidden = [name for column in learned.columns if (name := _not_logged(model, column.name))]
    if hidden:
        names = ", ".join(dict.fromkeys(hidden))
        return f"its error was learned with {names}, whose values are not logged now (monitor.log.columns)"
    return no_skill(learned) if learned.absolute is None else learned


def _not_logged(model: WatchedModel, column: str) -> str:
    """The input of a column whose values are not in the log; empty for one that is."""
    kind, _, name = column.partition(".")
    hidden = name in (model.hidden if kind in ("input", "unseen") else model.hashed)
    return name if hidden else ""


def _table(run: RunQuery, learned: ErrorModel, version: str, viewed: ViewedRange, order: str) -> pa.Table:
    """The columns that errors depend on, and the stretch of time of each row. What was never logged is missing."""
    stored = set(run("SELECT * FROM predictions LIMIT 0").column_names)
    selected = [f"time_bucket(INTERVAL {viewed.bucket} SECONDS, time) AS moment"]
    for column in learned.columns:
        kind, _, name = column.name.partition(".")
        source = f"input.{name}" if kind == "unseen" else column.name
        cast = "VARCHAR" if kind == "unseen" or column.values else "DOUBLE"
        value = quoted_name(source) if source in stored else "NULL"
        selected.append(f"TRY_CAST({value} AS {cast}) AS {quoted_name(column.name)}")
    return run(
        f"SELECT {', '.join(selected)} FROM predictions WHERE version = ? AND {_RANGE} {order}",
        [version, viewed.since, viewed.until],
    )


def _rows(model: WatchedModel, learned: ErrorModel, version: str, table: pa.Table) -> ErrorRows:
    categories = {c.name: np.array(table[c.name].to_pylist(), dtype=object) for c in learned.columns if c.values}
    numbers = {}
    for name in (column.name for column in learned.columns if not column.values):
        kind, _, source = name.partition(".")
        if kind == "unseen":
            described = model.reference_of(version).columns.get(source)
            known = unpack(described.vocabulary if isinstance(described, TextReference) else "")
            numbers[name] = unseen_words(table[name].to_pylist(), known)
        else:
            values = np.array(table[name].to_pylist(), dtype=np.float64)
            numbers[name] = np.where(np.isfinite(values), values, np.nan)
    return ErrorRows(numbers, categories)
