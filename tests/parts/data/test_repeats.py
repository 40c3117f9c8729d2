"""Equal inputs: with different labels they contradict each other, in test and train they flatter."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.parts.data.project import csv, made, write
from tests.parts.data.test_images import picture

TEXT = "sentence,label\n" + "".join(f"s{row},{'no' if row % 2 else 'yes'}\n" for row in range(16))
TWICE = TEXT + "s3,yes\ns3,no\n"


def said(root: Path, capsys: pytest.CaptureFixture[str], **settings: Any) -> list[str]:
    made(root, **settings)
    return [line for line in capsys.readouterr().out.splitlines() if "different label" in line]


def as_lines(table: str) -> str:
    rows = [line.split(",") for line in table.splitlines()[1:]]
    return "".join(json.dumps({"sentence": sentence, "label": label}) + "\n" for sentence, label in rows)


def as_parquet(table: str) -> bytes:
    rows = [line.split(",") for line in table.splitlines()[1:]]
    out = pa.BufferOutputStream()
    pq.write_table(pa.table({"sentence": [row[0] for row in rows], "label": [row[1] for row in rows]}), out)
    return out.getvalue().to_pybytes()


FILES: dict[str, str | bytes] = {
    "a.csv": TWICE,
    "a.csv.gz": gzip.compress(TWICE.encode()),
    "a.tsv": TWICE.replace(",", "\t"),
    "a.jsonl": as_lines(TWICE),
    "a.parquet": as_parquet(TWICE),
}


@pytest.mark.parametrize("name", FILES)
def test_a_text_with_two_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    write(tmp_path, {f"data/{name}": FILES[name]})
    (warning,) = said(tmp_path, capsys, source=f"data/{name}")
    assert warning.startswith("warning: 3 rows share their inputs with a row of a different label: ")
    assert f"data/{name} row 17 is `yes`" in warning
    assert f"data/{name} row 4 is `no`" in warning or f"data/{name} row 18 is `no`" in warning


def test_the_splits_are_compared_with_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"data/rows.csv": csv(), "data/test.csv": csv(8).replace(",yes", ",YES").replace(",no", ",yes")})
    write(tmp_path, {"data/test.csv": (tmp_path / "data/test.csv").read_text().replace("YES", "no")})
    (warning,) = said(tmp_path, capsys, split={"valid": 0.25, "test": "data/test.csv"})
    assert warning.startswith("warning: 16 rows share their inputs with a row of a different label: ")
    assert warning.endswith("; and 5 more")
    assert "data/test.csv row " in warning


@pytest.mark.parametrize("value", [("1", "1.0"), ("-1", "-1")])
def test_equal_numbers_are_equal_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: tuple[str, str]
) -> None:
    body = "".join(f"{row + 5},{'no' if row % 2 else 'yes'}\n" for row in range(16))
    write(tmp_path, {"data/rows.csv": f"size,label\n{body}{value[0]},no\n{value[1]},yes\n-2,no\n"})
    (warning,) = said(tmp_path, capsys, inputs={"size": "number"})
    assert warning.startswith("warning: 2 rows ")


def test_a_picture_in_two_class_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, shade in (("cat", 0), ("dog", 100)):
        write(tmp_path, {f"data/pets/{kind}/{i}.png": picture(shade + i) for i in range(8)})
    write(tmp_path, {"data/pets/dog/copy.png": picture(3)})
    how: dict[str, Any] = {"source": "data/pets", "inputs": {"picture": "image"}, "target": {"column": "kind"}}
    (warning,) = said(tmp_path, capsys, **how)
    assert warning.startswith("warning: 2 rows share their inputs with a row of a different label: ")
    assert "data/pets/dog/copy.png is `dog`" in warning
    assert "data/pets/cat/3.png is `cat`" in warning


def test_repeated_rows_with_one_label_do_not_contradict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"data/rows.csv": TEXT + "s3,no\ns3,no\n"})
    assert said(tmp_path, capsys) == []
    numbers = "size,price\n" + "".join(f"{row % 4},{row}\n" for row in range(16))
    write(tmp_path, {"data/rows.csv": numbers})
    assert said(tmp_path, capsys, inputs={"size": "number"}, target={"column": "price", "type": "number"}) == []
