"""Rows of a single class."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from mlspec.errors import StageError
from tests.parts.data.project import data_splits, write


def rows(*labels: str) -> str:
    return "sentence,label\n" + "".join(f"s{i},{label}\n" for i, label in enumerate(labels))


def test_one_label_in_all_rows(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": rows(*["yes"] * 16)})
    with pytest.raises(
        StageError, match=r"`label` has 1 class: all 16 rows have the label `yes` \(declared: no, yes\)"
    ):
        data_splits(tmp_path)
    assert not (tmp_path / "artifacts/data/train.parquet").exists()


def test_one_label_in_train_alone(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": rows("no", "no", "no"), "v.csv": rows("yes"), "t.csv": rows("no")})
    with pytest.raises(StageError, match="train has 1 of 2 classes: all of its 3 rows have the label `no`"):
        data_splits(tmp_path, source="a.csv", split={"valid": "v.csv", "test": "t.csv"})


def test_two_labels_are_enough(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": rows(*["no"] * 12, *["yes"] * 4)})
    assert sum(table.num_rows for table in data_splits(tmp_path).values()) == 16
