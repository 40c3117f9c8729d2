"""The stage `data`: reads the source, enforces types and checks, splits, and writes parquet, schema and profile."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.errors import StageError
from mlspec.job import Job, write_json, write_text
from mlspec.parts.data.clean import Failure, checked, typed
from mlspec.parts.data.profile import profile
from mlspec.parts.data.spec import SPLITS, DataSpec
from mlspec.parts.data.split import divided, take
from mlspec.parts.data.table import call, load

FAILED = "data/failed_rows.csv"
SHOWN = 5


def main(job: Job) -> None:
    """Run the stage. Raises StageError with the failing rows where the data is not what the spec declares."""
    data = job.need(DataSpec)
    raw = _sources(data, job.root)
    tables: dict[str, pa.Table] = {}
    labels: list[str] = []
    failures: list[tuple[pa.Table, Failure]] = []
    for name, source in raw.items():
        table, failed, found = typed(data, source)
        failures += [(source, failure) for failure in [*failed, *(checked(data, source) if name == "" else [])]]
        labels, tables[name] = labels or found, table
    (job.outputs / FAILED).unlink(missing_ok=True)
    if failures:
        raise _refusal(job, failures)
    splits = _splits(data, tables)
    _write(job, data, splits, labels)


def _sources(data: DataSpec, root: Path) -> dict[str, pa.Table]:
    """The raw rows of the whole source (`""`), and of each split that has files of its own."""
    tables = {name: load(data, root, source) for name, source in data.files.items()}
    if data.kind == "callable":
        tables = {"": call(data, root), **tables}
    for name, table in tables.items():
        if not table.num_rows:
            raise StageError(f"there are no rows in {data.files.get(name, data.source)}")
    return tables


def _splits(data: DataSpec, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    whole = tables[""]
    rows = divided(data, whole, fixed=set(tables) - {""})
    return {name: tables[name] if name in tables else take(whole, rows[name]) for name in SPLITS}


def _write(job: Job, data: DataSpec, splits: dict[str, pa.Table], labels: list[str]) -> None:
    folder = job.outputs / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in splits.items():
        pq.write_table(table.drop_columns(["__file", "__row"]), folder / f"{name}.parquet", compression="zstd")
    described = profile(data, splits["train"], labels, {name: table.num_rows for name, table in splits.items()})
    write_json(folder / "profile.json", described)
    write_json(folder / "schema.json", schema(data, splits["train"], labels, described))
    sizes = ", ".join(f"{table.num_rows} {name}" for name, table in splits.items())
    print(f"data: {sizes} rows")


def schema(data: DataSpec, train: pa.Table, labels: list[str], described: dict[str, Any]) -> dict[str, Any]:
    """What inputs and target are, as docs/architecture.md has it."""
    inputs: dict[str, Any] = {}
    for name, spec in data.columns.items():
        inputs[name] = {"type": spec.type}
        if spec.type == "category":
            inputs[name]["values"] = sorted({v for v in train[name].to_pylist() if v is not None})
        if spec.type == "image":
            seen = described["columns"][name]
            size = {"height": spec.height or seen["height"], "width": spec.width or seen["width"]}
            inputs[name] |= {"channels": spec.channels, **size}
    target: dict[str, Any] = {"column": data.target.column, "type": data.target.type}
    if data.target.type == "class":
        target["labels"] = labels
    return {"inputs": inputs, "target": target}


def _refusal(job: Job, failures: Sequence[tuple[pa.Table, Failure]]) -> StageError:
    """All failing rows go to a file; the message shows the first few of each check."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["column", "problem", "file", "row", "value"])
    lines: list[str] = []
    for table, failure in failures:
        places = [_place(table, failure.column, row) for row in failure.rows]
        writer.writerows([failure.column, failure.what, *place] for place in places)
        count = f" in {len(places)} row{'s' if len(places) != 1 else ''}" if places else ""
        lines.append(f"{failure.column} {failure.what}{count}")
        lines += [f"    {place[0]} row {place[1]}: {_short(place[2])}" for place in places[:SHOWN]]
        if len(places) > SHOWN:
            lines.append(f"    and {len(places) - SHOWN} more")
    write_text(job.outputs / FAILED, out.getvalue())
    total = len(failures)
    return StageError(
        f"the data fails {total} check{'s' if total != 1 else ''}:\n  " + "\n  ".join(lines),
        help=f"all failing rows are in {(job.outputs / FAILED).relative_to(job.root)}; mend the data, or data.checks",
    )


def _place(table: pa.Table, column: str, row: int) -> tuple[str, int, object]:
    value = table[column][row].as_py() if column in table.column_names else ""
    return table["__file"][row].as_py(), table["__row"][row].as_py(), value if not isinstance(value, bytes) else "..."


def _short(value: object) -> str:
    text = "(missing)" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
