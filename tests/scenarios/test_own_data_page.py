"""docs/howto/own-data.md is true: every section that it shows reads generated files as the page says."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from PIL import Image
from ruamel.yaml import YAML

from mlspec.cli.app import main
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.data import work
from mlspec.records.profile import Profile
from mlspec.records.schema import Schema
from tests.conftest import CHECKOUT

PAGE = CHECKOUT / "docs" / "howto" / "own-data.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = [body for body in re.findall(r"^```yaml\n(.*?)^```", TEXT, re.M | re.S) if body.startswith("data:")]
COUNT = 1200
"""Rows of a generated table: the page's checks require 1,000."""
Columns = dict[str, list[object]]


def sentences(count: int = COUNT) -> Columns:
    labels: list[object] = ["good" if i % 2 else "bad" for i in range(count)]
    return {"sentence": [f"sentence number {i}" for i in range(count)], "label": labels}


def products() -> Columns:
    return {
        "description": [f"a chair of type {i}" for i in range(60)],
        "price": [1.5 + i for i in range(60)],
        "city": ["Rome" if i % 3 else "Oslo" for i in range(60)],
        "photo": [f"photos/{i % 4}.png" for i in range(60)],
        "label": ["kept" if i % 2 else "returned" for i in range(60)],
    }


def notes(prefix: str, count: int = 60) -> Columns:
    """Three visits of each patient."""
    diagnoses: list[object] = ["flu" if i // 3 % 2 else "cold" for i in range(count)]
    patients: list[object] = [i // 3 for i in range(count)]
    return {"note": [f"{prefix} {i}" for i in range(count)], "diagnosis": diagnoses, "patient": patients}


def as_csv(columns: Columns) -> bytes:
    out = io.BytesIO()
    pa.csv.write_csv(pa.table(columns), out)
    return out.getvalue()


def as_parquet(columns: Columns) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def as_jsonl(columns: Columns) -> bytes:
    rows = zip(*columns.values(), strict=True)
    return "\n".join(json.dumps(dict(zip(columns, row, strict=True))) for row in rows).encode()


def as_json(columns: Columns) -> bytes:
    rows = zip(*columns.values(), strict=True)
    return json.dumps([dict(zip(columns, row, strict=True)) for row in rows]).encode()


def as_tsv(columns: Columns) -> bytes:
    return as_csv(columns).replace(b",", b"\t").replace(b'"', b"")


def png(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 255 - shade, shade // 2)).save(out, "PNG")
    return out.getvalue()


def german(count: int = 60) -> bytes:
    lines = ["area;rent;street", *(f"{30 + i},5;{1 + i % 3}.{100 + i},50;Müllerstraße {i}" for i in range(count))]
    return "\n".join([*lines, "k.A.;900,00;unbekannt"]).encode("cp1252")


FUNCTION = b"""
from pathlib import Path

def load():
    rows = [float(line) for line in Path("data/raw/index.txt").read_text().split()]
    return {
        "month": [str(i % 12) for i in range(len(rows))],
        "change": rows,
        "next": rows[1:] + rows[:1],
        "split": [("train", "train", "valid", "test")[i % 4] for i in range(len(rows))],
    }
"""
NET = b"""
import pytorch_lightning as pl

class Net(pl.LightningModule):
    def forward(self, **inputs): ...
    def training_step(self, batch, _): ...
    def configure_optimizers(self): ...
"""
FILES: Mapping[str, Callable[[], Mapping[str, bytes]]] = {
    "data/train.csv description": lambda: {
        "data/train.csv": as_csv(products()),
        **{f"data/photos/{i}.png": png(60 * i) for i in range(4)},
    },
    "data/export.csv area": lambda: {"data/export.csv": german()},
    "data/visits.parquet note": lambda: {"data/visits.parquet": as_parquet(notes("visit"))},
    "data/train.jsonl note": lambda: {
        f"data/{name}.jsonl": as_jsonl(notes(name, 30)) for name in ("train", "valid", "test")
    },
    "data/train.csv sentence": lambda: {"data/train.csv": as_csv(sentences())},
    "src.data:load month": lambda: {
        "src/__init__.py": b"",
        "src/data.py": FUNCTION,
        "data/raw/index.txt": "\n".join(str(i % 7 - 3) for i in range(40)).encode(),
    },
}
"""The files of each section of the page, by its source and its first input."""


def values(section: str) -> dict[str, object]:
    parsed = YAML(typ="safe").load(section)
    assert isinstance(parsed, dict)
    return dict(parsed["data"])


def key(section: str) -> str:
    data = values(section)
    inputs = data["inputs"]
    assert isinstance(inputs, dict)
    return f"{data['source']} {next(iter(inputs))}"


def project(root: Path, section: str, files: Mapping[str, bytes]) -> Path:
    """A project with this section `data` and these files."""
    for name, contents in {**files, "src/__init__.py": b"", "src/net.py": NET}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(contents)
    model = 'model: {class: "src.net:Net"}'
    spec = f"mlspec: 1\nproject: {{name: own-data}}\n{section}\n{model}\n"
    (root / "mlproject.yaml").write_text(spec, encoding="utf-8")
    return root


def read(root: Path) -> dict[str, list[dict[str, object]]]:
    """Run the stage `data` of the project; the rows of each split."""
    built = compile_project(root / "mlproject.yaml")
    artifacts = root / "artifacts"
    with contextlib.chdir(root):  # as a stage's process
        work.main(Job(root, artifacts, artifacts, {}, built.project.sections))
    return {name: pq.read_table(artifacts / f"data/{name}.parquet").to_pylist() for name in ("train", "valid", "test")}


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Path, dict[str, list[dict[str, object]]]]]:
    """Folder and splits of each section of the page."""
    read_sections = {}
    for section in SECTIONS:
        root = project(tmp_path_factory.mktemp("own"), section, FILES[key(section)]())
        read_sections[key(section)] = (root, read(root))
    return read_sections


Splits = Mapping[str, tuple[Path, dict[str, list[dict[str, object]]]]]


def test_every_section_of_the_page_is_run() -> None:
    assert [key(section) for section in SECTIONS] == list(FILES)


@pytest.mark.parametrize("section", SECTIONS, ids=key)
def test_a_section_reads_its_inputs_as_declared(section: str, splits: Splits) -> None:
    root, tables = splits[key(section)]
    schema, inputs = Schema.read(root / "artifacts"), values(section)["inputs"]
    assert isinstance(inputs, dict)
    assert {name: described.type for name, described in schema.inputs.items()} == inputs
    assert all(tables.values()), "no split is empty"
    assert (root / "artifacts/data/decisions.json").is_file()


def test_numbers_of_a_german_export_and_its_nulls_are_read(splits: Splits) -> None:
    root, tables = splits["data/export.csv area"]
    rows = [row for table in tables.values() for row in table]
    assert {row["rent"] for row in rows} >= {1100.5, 2101.5, 900.0}
    assert [row["rent"] for row in rows if row["area"] is None] == [900.0]
    assert Profile.read(root / "artifacts").columns["area"].type == "number"


def test_groups_are_in_one_split_with_the_shares_of_the_spec(splits: Splits) -> None:
    _, tables = splits["data/visits.parquet note"]
    groups = {name: {row["patient"] for row in table} for name, table in tables.items()}
    assert sum(map(len, groups.values())) == len(set().union(*groups.values())) == 20
    assert len(tables["valid"]) == pytest.approx(9, abs=3)


def test_splits_are_the_files_or_the_column_of_the_spec(splits: Splits) -> None:
    tables = splits["data/train.jsonl note"][1]
    assert {name: {str(row["note"]).split()[0] for row in rows} for name, rows in tables.items()} == {
        name: {name} for name in tables
    }
    assert [len(rows) for rows in splits["src.data:load month"][1].values()] == [20, 10, 10]


def test_a_column_that_is_not_an_input_is_kept_in_the_splits(splits: Splits) -> None:
    assert "street" in splits["data/export.csv area"][1]["train"][0]


def test_rows_that_violate_a_check_are_in_a_file(tmp_path: Path) -> None:
    section = next(section for section in SECTIONS if "checks:" in section)
    columns = sentences()
    columns["sentence"][4] = None
    columns["label"][7] = "fair"
    root = project(tmp_path, section, {"data/train.csv": as_csv(columns)})
    with pytest.raises(StageError, match="data checks failed"):
        read(root)
    with (root / "artifacts/data/failed_rows.csv").open(encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 1 + 2


def kinds() -> Iterator[tuple[str, str, Mapping[str, bytes]]]:
    """The rows of the page's table that this machine can read: what the spec has, and the files."""
    inputs, target = "  inputs: {sentence: text}\n", "  target: {column: label}\n"
    table = sentences(60)
    halves = [{name: column[at::2] for name, column in table.items()} for at in (0, 1)]
    pictures = {f"data/photos/{name}/{i}.png": png(8 * i + 3 * len(name)) for i in range(10) for name in ("ash", "oak")}
    listed: Columns = {"photo": [f"{i}.png" for i in range(20)], "label": ["a" if i % 2 else "b" for i in range(20)]}
    for suffix, form in (
        ("csv", as_csv),
        ("tsv", as_tsv),
        ("parquet", as_parquet),
        ("json", as_json),
        ("jsonl", as_jsonl),
    ):
        yield f"  source: data/train.{suffix}\n" + inputs + target, suffix, {f"data/train.{suffix}": form(table)}
    packed = {"data/train.csv.gz": gzip.compress(as_csv(table))}
    yield "  source: data/train.csv.gz\n" + inputs + target, "compressed", packed
    parts = {f"data/part-{i}.parquet": as_parquet(half) for i, half in enumerate(halves)}
    yield "  source: data/part-*.parquet\n" + inputs + target, "several", parts
    yield "  source: data/photos\n  inputs: {image: image}\n" + target, "folders", pictures
    images = {f"data/photos/{i}.png": png(10 * i) for i in range(20)}
    listing = "  source: data/rows.csv\n  inputs: {photo: image}\n  format: {images: data/photos}\n" + target
    yield listing, "paths", {**images, "data/rows.csv": as_csv(listed)}


@pytest.mark.parametrize(("section", "name", "files"), kinds(), ids=[name for _, name, _ in kinds()])
def test_a_kind_of_data_in_the_table_is_read(
    section: str, name: str, files: Mapping[str, bytes], tmp_path: Path
) -> None:
    spans = re.findall(r"`((?:source|inputs|format): [^`]+)`", TEXT)
    first = section.splitlines()[0].strip()
    assert first in spans or name in ("tsv", "parquet", "json", "jsonl", "compressed", "paths")
    assert all(read(project(tmp_path, f"data:\n{section}", files)).values())


@pytest.mark.slow
def test_the_command_of_the_page_runs_this_stage_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "`mlspec apply --until data`" in TEXT
    section = next(section for section in SECTIONS if "export.csv" in section)
    monkeypatch.chdir(project(tmp_path, section, {"data/export.csv": german()}))
    assert main(["apply", "--until", "data", "--yes"]) == 0
    decisions = json.loads((tmp_path / "artifacts/data/decisions.json").read_text(encoding="utf-8"))
    assert "area" in json.dumps(decisions)
    assert "area" in (tmp_path / "artifacts/report.html").read_text(encoding="utf-8")
