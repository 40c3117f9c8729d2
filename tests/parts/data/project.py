"""A small project on disk, and running the data stage in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.job import Job
from mlspec.parts.data import fetch, work
from mlspec.sections.data import DataSpec

BASE: dict[str, Any] = {
    "source": "data/rows.csv",
    "inputs": {"sentence": "text"},
    "target": {"column": "label", "labels": ["no", "yes"]},
    "split": {"valid": 0.25, "test": 0.25},
}


def spec(**settings: Any) -> DataSpec:
    """A `data` section: BASE with some keys replaced."""
    return DataSpec.model_validate_json(json.dumps(BASE | settings))


def write(root: Path, files: Mapping[str, str | bytes]) -> None:
    for name, contents in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents.encode() if isinstance(contents, str) else contents)


def job(root: Path, data: DataSpec) -> Job:
    return Job(root, root / "artifacts", root / "artifacts", {}, {"data": data})


def data_splits(root: Path, **settings: Any) -> dict[str, pa.Table]:
    """Run the stage and give the table of each split."""
    work.main(job(root, spec(**settings)))
    return {name: pq.read_table(root / f"artifacts/data/{name}.parquet") for name in ("train", "valid", "test")}


def fetched(root: Path, **settings: Any) -> None:
    fetch.main(job(root, spec(**settings)))


def rows(tables: Mapping[str, pa.Table]) -> list[dict[str, Any]]:
    """The rows of all splits, sorted."""
    return sorted((row for table in tables.values() for row in table.to_pylist()), key=repr)


def read(root: Path, name: str) -> Any:
    return json.loads((root / "artifacts/data" / name).read_text())


def table(count: int = 16) -> dict[str, list[Any]]:
    return {
        "sentence": [f"sentence {i}" for i in range(count)],
        "label": ["yes" if i % 2 else "no" for i in range(count)],
    }


def csv(count: int = 16, separator: str = ",", header: bool = True) -> str:
    columns = table(count)
    lines = [separator.join(row) for row in zip(columns["sentence"], columns["label"], strict=True)]
    return "\n".join([*([separator.join(columns)] if header else []), *lines]) + "\n"
