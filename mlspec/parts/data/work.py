"""The stage `data`: reads the source, converts and checks it, splits it, and writes parquet, schema and profile."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.errors import StageError
from mlspec.job import Job, fresh, swap, write_json
from mlspec.parts.data import failure_report, row_origins
from mlspec.parts.data.checks import checked
from mlspec.parts.data.class_counts import several
from mlspec.parts.data.collected import collected_rows
from mlspec.parts.data.data_warnings import data_warnings
from mlspec.parts.data.duplicate_rows import repeats
from mlspec.parts.data.labels import label_names
from mlspec.parts.data.metric_checks import measurable
from mlspec.parts.data.pixels import compared
from mlspec.parts.data.profiling import profile
from mlspec.parts.data.raw_rows import Failure, merged
from mlspec.parts.data.read_source import read
from mlspec.parts.data.split import divided, splits
from mlspec.parts.data.typed_rows import typed
from mlspec.parts.data.unlabelled_rows import UsedRows, labelled
from mlspec.parts.data.value_limits import beyond
from mlspec.parts.evaluate import slices
from mlspec.parts.model.trusted_pickles import check_trusted
from mlspec.records.decisions import DataDecisions, Decision
from mlspec.records.profile import ColumnProfile, Profile
from mlspec.records.schema import InputSchema, Schema, TargetSchema
from mlspec.sections.data import DataSpec, Input
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.stage_result import decide, warn


def main(job: Job) -> None:
    """Run the stage. Raises StageError with the failing rows if the data does not match the spec."""
    check_trusted(job, "data")
    data = job.need(DataSpec)
    used = {name: labelled(data, read(data, job.root, name)) for name in data.sources}
    sources = {name: rows.raw for name, rows in used.items()}
    evaluation = job.get(EvaluateSpec)
    if evaluation is not None and (missing := slices.unknown(evaluation.cuts, sources[""].names)):
        raise StageError(missing[0], help=missing[1])
    labels = label_names(data, sources[""])
    failures = [failure for raw in sources.values() for failure in raw.unread] + checked(data, sources)
    decisions = [
        decision for name, rows in used.items() for decision in (_rows_read(data, name, rows), *rows.raw.decisions)
    ]
    if data.format.trim:
        decisions.append(Decision("texts", "spaces around names and values removed", "data.format.trim"))
    converted, warnings = {}, list[str]()
    pixels: dict[str, dict[str, Sequence[bytes]]] = {}
    for name, raw in sources.items():
        result = typed(data, raw, labels, job.root)
        converted[name] = result.raw
        pixels[name] = result.pixels
        failures += [*result.failures, *beyond(data, result.raw)]
        decisions += result.decisions
        warnings += result.warnings
    (job.outputs / failure_report.FILE).unlink(missing_ok=True)
    _stop(job, data, failures)
    rows, failures = divided(data, converted[""])
    _stop(job, data, failures)
    tables = splits(converted, rows)
    several(data, tables, labels)
    measurable(job, data, tables)
    collected = collected_rows(data, job.root, tables["train"], labels)
    _stop(job, data, [*collected.failures])
    record = DataDecisions.of([*decisions, *collected.decisions])
    partial = fresh(job.outputs / "data")
    row_origins.write(partial, converted, rows, collected.files)
    _write(partial, data, {**tables, "train": collected.added_to(tables["train"])}, labels)
    where = functools.partial(row_origins.place, converted, rows)
    alike = compared(data, tables, pixels, functools.partial(row_origins.origin, converted, rows))
    for warning in (*warnings, *data_warnings(data, tables, labels), *repeats(data, alike, labels, where)):
        warn(warning)
    write_json(partial / Path(record.FILE).name, record.to_json())
    swap(partial, job.outputs / "data")
    for line in record.lines():
        decide(line)


def _stop(job: Job, data: DataSpec, failures: list[Failure]) -> None:
    if failures:
        raise failure_report.refusal(job, data, merged(failures))


def _rows_read(data: DataSpec, name: str, rows: UsedRows) -> Decision:
    files = {piece.file for piece in rows.raw.pieces}
    where = f"{len(files)} files" if len(files) > 1 else next(iter(files), "")
    subject, count = f"rows of {name}" if name else "rows", rows.raw.table.num_rows
    if not rows.dropped:
        return Decision(subject, f"all {count} rows of {where} used, none dropped")
    used = f"{count} of {count + rows.dropped} rows of {where} used"
    return Decision(subject, f"{used}, {rows.dropped} without `{data.target.column}` dropped", "data.target.missing")


def _write(folder: Path, data: DataSpec, tables: Mapping[str, pa.Table], labels: list[str]) -> None:
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    described = profile(data, tables["train"], labels, {name: table.num_rows for name, table in tables.items()})
    write_json(folder / Path(described.FILE).name, described.to_json())
    described_schema = schema(data, tables["train"], labels, described)
    write_json(folder / Path(described_schema.FILE).name, described_schema.to_json())
    print("wrote " + ", ".join(f"{table.num_rows} {name}" for name, table in tables.items()) + " rows")


def schema(data: DataSpec, train: pa.Table, labels: list[str], described: Profile) -> Schema:
    """The schema of inputs and target."""
    inputs = {name: _input(name, spec, train, described.columns[name]) for name, spec in data.columns.items()}
    known = tuple(labels) if data.target.type == "class" else None
    return Schema(inputs=inputs, target=TargetSchema(column=data.target.column, type=data.target.type, labels=known))


def _input(name: str, spec: Input, train: pa.Table, described: ColumnProfile) -> InputSchema:
    if spec.type == "category":
        values = sorted({v for v in train[name].to_pylist() if v is not None})
        return InputSchema(type=spec.type, values=tuple(values))
    if spec.type == "image":
        return InputSchema(
            type=spec.type,
            channels=spec.channels or described.channels,
            height=spec.height or described.height,
            width=spec.width or described.width,
            background=spec.background or None,
        )
    return InputSchema(type=spec.type)
