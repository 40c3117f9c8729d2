"""Gates and monitored metrics that are undefined on these rows: refused before training."""

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
    """Raise StageError if a gate is undefined on test, or the metric that selects the best epoch on valid."""
    column = data.target.column
    undefined: list[tuple[str, str, str]] = []
    options = job.get(EvaluateSpec)
    if options is not None and options.gates:
        columns = {column, *(how.column or name for name, how in options.cuts.items())} & set(
            tables["test"].column_names
        )
        undefined += undefined_metrics.gates(
            options, {name: tables["test"][name].to_pylist() for name in columns}, column
        )
    # A custom LightningModule computes its own metrics.
    if not isinstance(job.get(ModelSpec), Custom):
        undefined += undefined_metrics.monitors(
            undefined_metrics.watched(job.config), data.task, tables["valid"][column].to_pylist()
        )
    if error := undefined_metrics.shown(undefined):
        raise StageError(error[0], help=error[1])
