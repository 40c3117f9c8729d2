"""The slices of `monitor.quality.slices` as expressions of SQL over the view `predictions` as `p`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from mlspec.monitoring.duckdb_session import quoted_name, quoted_text
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.sections.monitor_quality import QualitySlice

KEY = "monitor.quality.slices"


def slice_expression(model: WatchedModel, name: str, how: QualitySlice) -> str | None:
    """The slice of a row as text; NULL where it is in none. None where the log does not have the values."""
    hidden = model.redacted | model.hashed
    column = how.column or name
    if how.where:
        inputs = ", ".join(
            f"p.{quoted_name(f'input.{each.name}')} AS {quoted_name(each.name)}"
            for each in model.signature.inputs
            if each.type != "image" and each.name not in hidden
        )
        condition = f"(SELECT ({how.where}) FROM (SELECT {inputs}))"
        return f"CASE WHEN {condition} THEN 'yes' WHEN NOT {condition} THEN 'no' END"
    if how.by == "month" and not how.column:
        return "strftime(p.time, '%Y-%m')"
    if how.by == "length":
        return (
            None
            if f"characters.{column}" not in model.store.columns.types
            else _bins(f"p.{quoted_name(f'characters.{column}')}", how.bins)
        )
    if column in hidden or f"input.{column}" not in model.store.columns.types:
        return None
    value = f"p.{quoted_name(f'input.{column}')}"
    if how.by == "month":
        return f"strftime(TRY_CAST({value} AS TIMESTAMP), '%Y-%m')"
    if how.bins:
        return _bins(f"TRY_CAST({value} AS DOUBLE)", how.bins)
    number = model.store.columns.types[f"input.{column}"] == "DOUBLE"
    return f"printf('%g', {value})" if number else f"CAST({value} AS VARCHAR)"


def _bins(value: str, edges: Sequence[float]) -> str:
    """`<10`, `10..20`, `>=20`, as `evaluate.slices` names them: each bin includes its lower edge."""
    names = [f"<{edges[0]:g}", *(f"{low:g}..{high:g}" for low, high in pairwise(edges))]
    below = " ".join(
        f"WHEN {value} < {edge!r} THEN {quoted_text(name)}" for edge, name in zip(edges, names, strict=True)
    )
    return f"CASE WHEN {value} IS NULL THEN NULL {below} ELSE {quoted_text(f'>={edges[-1]:g}')} END"
