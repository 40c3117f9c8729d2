"""Labelled predictions that join the training rows."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlspec.errors import StageError
from tests.parts.data.project import csv, data_splits, write

FOLDER = "data/collected"


def collect(root: Path, name: str, columns: dict[str, list[object]]) -> None:
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), root / FOLDER / name)


def test_rows_join_train_alone_with_their_origin(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": csv(16)})
    before = data_splits(tmp_path)
    collect(tmp_path, "2.parquet", {"sentence": ["new"], "label": ["yes"]})
    collect(tmp_path, "1.parquet", {"label": ["no", "yes"], "sentence": ["one", None], "more": [1, 2]})
    after = data_splits(tmp_path, collected=FOLDER)
    assert after["valid"].equals(before["valid"])
    assert after["test"].equals(before["test"])
    added = after["train"].slice(before["train"].num_rows).select(["sentence", "label"]).to_pylist()
    assert added == [
        {"sentence": "one", "label": 0},
        {"sentence": None, "label": 1},
        {"sentence": "new", "label": 1},
    ]
    origins = pq.read_table(tmp_path / "artifacts/data/origins.parquet").to_pylist()
    train = [(o["file"], o["row"]) for o in origins if o["split"] == "train"]
    assert train[-3:] == [(f"{FOLDER}/1.parquet", 1), (f"{FOLDER}/1.parquet", 2), (f"{FOLDER}/2.parquet", 1)]
    assert len(train) == after["train"].num_rows
    decisions = json.loads((tmp_path / "artifacts/data/decisions.json").read_text())["decisions"]
    assert [d for d in decisions if d["subject"] == "rows collected"]


def test_without_files_nothing_changes(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": csv(16), f"{FOLDER}/README.md": ""})
    assert data_splits(tmp_path, collected=FOLDER) == data_splits(tmp_path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sentence": ["a"]}, "has no column label"),
        ({"sentence": ["a"], "label": ["maybe"]}, "has labels that the target does not have: maybe"),
        ({"sentence": [[1]], "label": ["no"]}, "does not fit the inputs"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, columns: dict[str, list[object]], message: str) -> None:
    write(tmp_path, {"data/rows.csv": csv(16)})
    collect(tmp_path, "1.parquet", columns)
    with pytest.raises(StageError) as caught:
        data_splits(tmp_path, collected=FOLDER)
    assert f"{FOLDER}/1.parquet {message}" in caught.value.message
    assert caught.value.help


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": csv(16), f"{FOLDER}/1.parquet": b"PAR1"})
    with pytest.raises(StageError, match=f"cannot read {FOLDER}/1.parquet"):
        data_splits(tmp_path, collected=FOLDER)


def test_values_that_violate_a_check_stop_the_stage(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": csv(16)})
    collect(tmp_path, "1.parquet", {"sentence": ["a sentence", "ab"], "label": ["no", "yes"]})
    with pytest.raises(StageError) as caught:
        data_splits(tmp_path, collected=FOLDER, checks={"sentence": {"min_length": 3}, "other": {"not_null": True}})
    assert "other" in caught.value.message
    with pytest.raises(StageError) as caught:
        data_splits(tmp_path, collected=FOLDER, checks={"sentence": {"min_length": 3}})
    assert f"{FOLDER}/1.parquet" in caught.value.message
