"""Slices as expressions of SQL over a table `p` with the columns of the log: live rows, or training data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import duckdb

from mlspec.errors import UsageError
from mlspec.monitoring.baseline.reference import CategoryReference, ColumnDistribution
from mlspec.monitoring.duckdb_session import quoted_name, quoted_text
from mlspec.monitoring.log_columns import Kind
from mlspec.sections.monitor_slice import LiveSlice, named_slices
from mlspec.sections.slice_bins import names_of_bins

DRIFT: Final = "monitor.drift.slices"
QUALITY: Final = "monitor.quality.slices"
MOST_VALUES: Final = 8
"""An input with more values in training is not used for slices, unless the spec names it."""
_MOST_SLICED: Final = 5
"""Inputs whose values are slices, where the spec names none."""


@dataclass(frozen=True, slots=True)
class SliceableRows:
    """The columns of rows that slices can be of."""

    inputs: Mapping[str, Kind]
    hashed: frozenset[str] = frozenset()
    redacted: frozenset[str] = frozenset()

    def expression(self, name: str, how: LiveSlice) -> str | None:
        """The slice of a row as text; NULL where it is in none. None where the rows do not have the values."""
        column = how.column or name
        if how.where:
            return self._condition(how.where)
        if how.of_answer_time:
            return "strftime(p.time, '%Y-%m')"
        kind, value = self.inputs.get(column), f"p.{quoted_name(f'input.{column}')}"
        if kind is None or kind == "image":
            return None
        if how.by == "length":
            return _bins(f"p.{quoted_name(f'characters.{column}')}", how.bins) if kind == "text" else None
        plain = how.by == "value" and not how.bins
        if column in self.redacted or (column in self.hashed and not plain):
            return None
        if how.by == "month":
            return f"strftime(TRY_CAST({value} AS TIMESTAMP), '%Y-%m')"
        if how.bins:
            return _bins(f"TRY_CAST({value} AS DOUBLE)", how.bins)
        return f"printf('%g', {value})" if kind == "number" else f"CAST({value} AS VARCHAR)"

    def _condition(self, where: str) -> str:
        hidden = self.redacted | self.hashed
        inputs = ", ".join(
            f"p.{quoted_name(f'input.{name}')} AS {quoted_name(name)}"
            for name, kind in self.inputs.items()
            if kind != "image" and name not in hidden
        )
        condition = f"(SELECT ({where}) FROM (SELECT {inputs}))"
        return f"CASE WHEN {condition} THEN 'yes' WHEN NOT {condition} THEN 'no' END"


def few_values(columns: Mapping[str, ColumnDistribution], hidden: Collection[str]) -> Mapping[str, LiveSlice]:
    """The slices of a spec that declares none: category inputs with few values, but for `hidden` ones."""
    few = [
        name
        for name, column in columns.items()
        if isinstance(column, CategoryReference) and 2 <= len(column.counts) <= MOST_VALUES and not column.other
    ]
    return named_slices([name for name in few if name not in hidden][:_MOST_SLICED])


def definition(name: str, how: LiveSlice) -> str:
    """The slice as text: another one is another division of rows, even under the same name."""
    declared = how.model_dump_json(exclude_defaults=True)
    return name if declared == "{}" else f"{name} {declared}"


@contextmanager
def slice_errors(key: str, run: Callable[[str], object], expressions: Mapping[str, str]) -> Iterator[None]:
    """Turn DuckDB's error about a slice into one that names it; `run` executes an expression on all rows."""
    try:
        yield
    except duckdb.Error:
        for name, expression in expressions.items():
            try:
                run(expression)
            except duckdb.Error as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                help = "correct the condition; it is DuckDB's SQL on the inputs of the model whose values are logged"
                raise UsageError(f"{key}.{name}: {reason}", help=help) from None
        raise


def _bins(value: str, edges: Sequence[float]) -> str:
    """`<10`, `10..20`, `>=20`, as `evaluate.slices` names them: each bin includes its lower edge."""
    *names, last = names_of_bins(edges)
    below = " ".join(
        f"WHEN {value} < {edge!r} THEN {quoted_text(name)}" for edge, name in zip(edges, names, strict=True)
    )
    return f"CASE WHEN {value} IS NULL THEN NULL {below} ELSE {quoted_text(last)} END"
