"""Gates and monitors that have no value on these rows: refused before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.evaluate import undefined_metrics
from mlspec.sections.data import DataSpec
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.sections.model import Custom, ModelSpec


def measurable(job: Job, data: DataSpec, tables: Mapping[str, pa.Table]) -> None:
    """Raise StageError where a gate can have no value on test, or what decides the best epoch none on valid."""
    column = data.target.column
    found: list[tuple[str, str, str]] = []
    options = job.get(EvaluateSpec)
    if options is not None and options.gates:
        wanted = {column, *(how.column or name for name, how in options.cuts.items())} & set(
            tables["test"].column_names
        )
        found += undefined_metrics.gates(options, {name: tables["test"][name].to_pylist() for name in wanted}, column)
    # A module of the project's own computes what it logs by itself.
    if not isinstance(job.get(ModelSpec), Custom):
        found += undefined_metrics.monitors(
            undefined_metrics.watched(job.config), data.task, tables["valid"][column].to_pylist()
        )
    if refused := undefined_metrics.shown(found):
        raise StageError(refused[0], help=refused[1])
