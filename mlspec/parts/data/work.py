"""The stage `data`: reads the source, enforces types and checks, splits, and writes parquet, schema and profile."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.errors import StageError
from mlspec.job import Job, fresh, swap, write_json
from mlspec.parts.data import origins, report
from mlspec.parts.data.checks import checked
from mlspec.parts.data.classes import several
from mlspec.parts.data.doubts import doubts
from mlspec.parts.data.labels import label_names
from mlspec.parts.data.limits import beyond
from mlspec.parts.data.measurable import measurable
from mlspec.parts.data.pixels import compared
from mlspec.parts.data.profile import profile
from mlspec.parts.data.raw import Failure, Raw, merged
from mlspec.parts.data.read import read
from mlspec.parts.data.repeats import repeats
from mlspec.parts.data.split import divided, splits
from mlspec.parts.data.typed import typed
from mlspec.parts.evaluate import slices
from mlspec.records.decisions import DataDecisions, Decision
from mlspec.records.profile import Profile
from mlspec.sections.data import DataSpec
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.stage_result import decide, warn


def main(job: Job) -> None:
    """Run the stage. Raises StageError with the failing rows where the data is not what the spec declares."""
    data = job.need(DataSpec)
    sources = {name: read(data, job.root, name) for name in data.sources}
    evaluation = job.get(EvaluateSpec)
    if evaluation is not None and (missing := slices.unknown(evaluation.cuts, sources[""].names)):
        raise StageError(missing[0], help=missing[1])
    labels = label_names(data, sources[""])
    failures = [failure for raw in sources.values() for failure in raw.unread] + checked(data, sources)
    decisions = [decision for name, raw in sources.items() for decision in (_rows_read(name, raw), *raw.decisions)]
    if data.format.trim:
        decisions.append(Decision("texts", "spaces around names and values removed", "data.format.trim"))
    made, said = {}, list[str]()
    pixels: dict[str, dict[str, Sequence[bytes]]] = {}
    for name, raw in sources.items():
        result = typed(data, raw, labels, job.root)
        made[name] = result.raw
        pixels[name] = result.pixels
        failures += [*result.failures, *beyond(data, result.raw)]
        decisions += result.decisions
        said += result.doubts
    (job.outputs / report.FILE).unlink(missing_ok=True)
    _stop(job, data, failures)
    rows, failures = divided(data, made[""])
    _stop(job, data, failures)
    tables = splits(made, rows)
    several(data, tables, labels)
    measurable(job, data, tables)
    record = DataDecisions.of(decisions)
    partial = fresh(job.outputs / "data")
    origins.write(partial, made, rows)
    _write(partial, data, tables, labels)
    where = functools.partial(origins.place, made, rows)
    alike = compared(data, tables, pixels, functools.partial(origins.origin, made, rows))
    for doubt in (*said, *doubts(data, tables, labels), *repeats(data, alike, labels, where)):
        warn(doubt)
    write_json(partial / Path(record.FILE).name, record.to_json())
    swap(partial, job.outputs / "data")
    for line in record.lines():
        decide(line)


def _stop(job: Job, data: DataSpec, failures: list[Failure]) -> None:
    if failures:
        raise report.refusal(job, data, merged(failures))


def _rows_read(name: str, raw: Raw) -> Decision:
    files = {piece.file for piece in raw.pieces}
    where = f"{len(files)} file{'s' if len(files) != 1 else ''}" if len(files) > 1 else next(iter(files), "")
    return Decision(f"rows of {name}" if name else "rows", f"all {raw.table.num_rows} of {where} used, none dropped")


def _write(folder: Path, data: DataSpec, tables: Mapping[str, pa.Table], labels: list[str]) -> None:
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    described = profile(data, tables["train"], labels, {name: table.num_rows for name, table in tables.items()})
    write_json(folder / Path(described.FILE).name, described.to_json())
    write_json(folder / "schema.json", schema(data, tables["train"], labels, described))
    print("data: " + ", ".join(f"{table.num_rows} {name}" for name, table in tables.items()) + " rows")


def schema(data: DataSpec, train: pa.Table, labels: list[str], described: Profile) -> dict[str, Any]:
    """What inputs and target are, as docs/architecture.md has it."""
    inputs: dict[str, Any] = {}
    for name, spec in data.columns.items():
        inputs[name] = {"type": spec.type}
        if spec.type == "category":
            inputs[name]["values"] = sorted({v for v in train[name].to_pylist() if v is not None})
        if spec.type == "image":
            seen = described.columns[name]
            inputs[name] |= {key: getattr(spec, key) or getattr(seen, key) for key in ("channels", "height", "width")}
            inputs[name] |= {"background": spec.background} if spec.background else {}
    target: dict[str, Any] = {"column": data.target.column, "type": data.target.type}
    if data.target.type == "class":
        target["labels"] = labels
    return {"inputs": inputs, "target": target}
