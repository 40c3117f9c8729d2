"""Names of labels and columns are bounded and one line: in the spec, in the data, and as names of class folders."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mlspec.compiler import compile_project
from mlspec.errors import SpecError, StageError
from mlspec.sections.column_names import LONGEST
from tests.parts.data.project import data_splits, read, write

LONG = "x" * 1_300_000
SPEC: dict[str, Any] = {"inputs": {"size": "number"}, "target": {"column": "label"}}


def columns(label: str) -> dict[str, list[Any]]:
    return {"size": list(range(16)), "label": ["no", "yes"] * 7 + ["no", label]}


def contents(name: str, label: str) -> bytes:
    table = columns(label)
    lines = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    if name.endswith(".parquet"):
        out = pa.BufferOutputStream()
        pq.write_table(pa.table(table), out)
        return out.getvalue().to_pybytes()
    if "json" in name:
        text = "\n".join(map(json.dumps, lines))
    else:
        quoted = label.replace('"', '""')
        text = "size,label\n" + "\n".join(
            f'{r["size"]},"{r["label"] if r["label"] != label else quoted}"' for r in lines
        )
    return gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()


def refused(root: Path, **settings: Any) -> StageError:
    with pytest.raises(StageError) as caught:
        data_splits(root, **{**SPEC, **settings})
    assert len(caught.value.message) + len(caught.value.help) < 1000
    return caught.value


@pytest.mark.parametrize(("name", "place"), [("a.csv", "line 17"), ("a.csv.gz", "line 17"), ("a.jsonl", "line 16"),
                                             ("a.parquet", "row 16")])  # fmt: skip
def test_a_label_of_a_million_characters(tmp_path: Path, name: str, place: str) -> None:
    write(tmp_path, {f"data/{name}": contents(name, LONG)})
    error = refused(tmp_path, source=f"data/{name}")
    assert f"data/{name} {place}: the label in `label` has 1,300,000 characters, the limit is 200" in error.message
    assert "data.target.column is the column of labels" in error.help
    declared = refused(tmp_path, source=f"data/{name}", target={"column": "label", "labels": ["no", "yes"]})
    assert f"is not one of: no, yes: 1 row\n      data/{name} {place}: 'xxx" in declared.message


@pytest.mark.parametrize("label", ["two\nlines", "a\ttab", "nul\x01", "other\u2028line", "x" * (LONGEST + 1)])
def test_a_label_that_is_not_a_name_can_be_given_one(tmp_path: Path, label: str) -> None:
    write(tmp_path, {"data/a.jsonl": contents("a.jsonl", label)})
    error = refused(tmp_path, source="data/a.jsonl")
    assert "data/a.jsonl line 16: the label in `label` " in error.message
    assert "`data: {target: {values: {VALUE: NAME}}}`" in error.help
    values = {"no": "no", "yes": "yes", label: "other"}
    data_splits(tmp_path, source="data/a.jsonl", **SPEC | {"target": {"column": "label", "values": values}},
         split={"valid": 0.2, "test": 0.2, "stratify": False})  # fmt: skip
    assert read(tmp_path, "schema.json")["target"]["labels"] == ["no", "yes", "other"]


def test_the_longest_label(tmp_path: Path) -> None:
    write(tmp_path, {"data/a.csv": contents("a.csv", "x" * LONGEST)})
    data_splits(tmp_path, source="data/a.csv", **SPEC, split={"valid": 0.2, "test": 0.2, "stratify": False})
    assert "x" * LONGEST in read(tmp_path, "schema.json")["target"]["labels"]


def test_a_number_with_a_million_digits_is_short_in_the_decisions(tmp_path: Path) -> None:
    write(tmp_path, {"data/a.csv": contents("a.csv", f"1.{'0' * 1_300_000}")})
    data_splits(tmp_path, source="data/a.csv", inputs=SPEC["inputs"],
         target={"column": "label", "values": {"no": "no", "yes": "yes", "1": "yes"}})  # fmt: skip
    assert len((tmp_path / "artifacts/data/decisions.json").read_text()) < 5000


@pytest.mark.parametrize("name", ["x" * 250, "two\nlines"])
def test_the_name_of_a_class_folder(tmp_path: Path, name: str) -> None:
    image = io.BytesIO()
    Image.new("RGB", (4, 4)).save(image, "PNG")
    write(tmp_path, {f"data/pets/{label}/{n}.png": image.getvalue() for label in ("cat", name) for n in range(8)})
    error = refused(tmp_path, source="data/pets", inputs={"picture": "image"})
    assert "the label in `label` " in error.message
    assert "/0.png: " in error.message
    assert error.help.startswith("rename the folder")


@pytest.mark.parametrize("length", [1001, 1_300_000])
def test_a_category_that_is_a_text(tmp_path: Path, length: int) -> None:
    lines = [f"{'y' * length if at == 3 else at},{['no', 'yes'][at % 2]}" for at in range(16)]
    write(tmp_path, {"data/a.csv": "\n".join(["size,label", *lines])})
    error = refused(tmp_path, source="data/a.csv", inputs={"size": "category"})
    assert (
        f"size is longer than 1,000 characters (maximum in the data: {length:,}): 1 row\n      data/a.csv line 5"
        in error.message
    )
    assert '`data: {inputs: {"size": text}}`' in error.help
    if length < 1_000_000:
        assert (
            sum(t.num_rows for t in data_splits(tmp_path, source="data/a.csv", inputs={"size": "text"}).values()) == 16
        )


LINE = "x" * (LONGEST + 1)
FAULTS = {
    "input": (f"inputs: {{? {LINE} : number}}", "the name of an input has 201 characters", 1),
    "empty-input": ('inputs: {"": number}', "the name of an input is empty", 1),
    "input-of-two-lines": (r'inputs: {"a\nb": number}', r"contains the character '\n'", 1),
    "target": (f"target: {{column: {LINE}}}", "data.target.column: a column name has 201 characters", 1),
    "labels": (
        f'target: {{labels: ["a\\tb", "", {LINE}, {"7" * 300}]}}',
        "data.target.labels[2]: the label has 201",
        4,
    ),
    "values": (
        f"target: {{values: {{? {'y' * 1001} : a, ? {'z' * 1000} : b}}}}",
        "a value in data.target.values has 1,001",
        1,
    ),
    "labels-of-values": (
        f"target: {{values: {{a: {LINE}, b: c}}}}",
        "data.target.values.a: the label has 201 characters",
        1,
    ),
}


@pytest.mark.parametrize(("line", "message", "count"), FAULTS.values(), ids=FAULTS)
def test_names_in_the_spec(tmp_path: Path, line: str, message: str, count: int) -> None:
    parts = {"inputs": "inputs: {size: number}", "target": "target: {column: label}"} | {line.split(":")[0]: line}
    spec = tmp_path / "mlproject.yaml"
    data = "\n  ".join(["source: a.csv", *parts.values()])
    spec.write_text(f"project: {{name: a}}\ndata:\n  {data}\nmodel: {{type: tabular}}\n")
    with pytest.raises(SpecError) as caught:
        compile_project(spec)
    results = [d for d in caught.value.diagnostics if d.code == "bad-format"]
    assert len(results) == count
    assert any(message in d.message for d in results)
    assert all(d.help and d.span and len(d.message) < 300 for d in results)
