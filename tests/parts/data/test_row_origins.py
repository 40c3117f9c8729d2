"""Where each row of a split comes from, and a later stage that names it."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

import pytest

pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("torch")

from mlspec.errors import StageError  # noqa: E402
from mlspec.learning.split_rows import load, origin  # noqa: E402
from mlspec.runtime.preprocess import Feature  # noqa: E402
from mlspec.runtime.preprocess.bundle_errors import BadRow  # noqa: E402
from tests.parts.data.project import data_splits, write  # noqa: E402


def sources(root: Path) -> dict[str, list[str]]:
    """Two files for train, valid and test, and a third for test; the text of each row says where it stands."""
    texts: dict[str, list[str]] = {}
    for name, count in (("p/1.csv", 9), ("p/2.csv", 11), ("t.csv", 3)):
        texts[name] = [f"{name} line {at}" for at in range(2, count + 2)]
        lines = "".join(f"{text},{'yes' if at % 2 else 'no'}\n" for at, text in enumerate(texts[name]))
        write(root, {name: "sentence,label\n" + lines})
    return texts


def test_every_row_has_its_file_and_number(tmp_path: Path) -> None:
    sources(tmp_path)
    tables = data_splits(tmp_path, source="p/*.csv", split={"valid": 0.25, "test": "t.csv"})
    data = tmp_path / "artifacts/data"
    for split, table in tables.items():
        for at, text in enumerate(table["sentence"].to_pylist()):
            assert origin(data, split, at) == text
    assert pq.read_metadata(data / "origins.parquet").num_rows == sum(table.num_rows for table in tables.values())


WAYS = {
    "a quoted line break": (
        {},
        "r.csv",
        'sentence,label\r\n"r.csv line 2\r\nmore",yes\r\n\r\nr.csv line 5,no\r\n"r.csv line 6\n\n",yes\nr.csv line 9,no\n',
    ),
    "no header": ({"columns": ["sentence", "label"]}, "r.csv", "r.csv line 1,yes\nr.csv line 2,no\n"),
    "a separator": ({}, "r.csv", "sep=;\nsentence;label\nr.csv line 3;yes\nr.csv line 4;no\n"),
    "trimmed": (
        {"trim": True},
        "r.csv",
        'sentence , label\n r.csv line 2 ,yes\n\n "r.csv line 4",no\n',
    ),
    "tabs": ({}, "r.tsv", 'sentence\tlabel\nr.tsv line 2 "\tyes\nr.tsv line 3\tno\n'),
    "lines of JSON": (
        {},
        "r.jsonl",
        '{"sentence": "r.jsonl line 1", "label": "yes"}\n\n{"sentence": "r.jsonl line 3", "label": "no"}\n',
    ),
    "a list of JSON": (
        {},
        "r.json",
        '[\n {"sentence": "r.json line 2",\n  "label": "yes"}, {"sentence": "r.json line 3", "label": "no"}\n,'
        '{"sentence": "r.json line 4", "label": "no"}]',
    ),
}


@pytest.mark.parametrize(("way", "packed"), [*((way, False) for way in WAYS), ("a quoted line break", True)])
def test_a_file_with_lines_is_named_by_the_line_on_which_a_row_begins(way: str, packed: bool, tmp_path: Path) -> None:
    options, name, text = WAYS[way]
    file = name + ".gz" if packed else name
    raw = gzip.compress(text.encode()) if packed else text
    write(tmp_path, {f"{folder}{file}": raw for folder in ("", "v/", "t/")})
    own = {"valid": f"v/{file}", "test": f"t/{file}"}
    tables = data_splits(tmp_path, source=file, format=options, split=own, target={"column": "label"})
    for split, table in tables.items():
        for at, sentence in enumerate(table["sentence"].to_pylist()):
            folder = {"train": "", "valid": "v/", "test": "t/"}[split]
            line = re.search(r" line \d+", sentence)
            assert line is not None
            assert origin(tmp_path / "artifacts/data", split, at) == f"{folder}{file}{line[0]}"


def test_a_file_without_lines_is_named_by_the_row(tmp_path: Path) -> None:
    import pyarrow as pa

    pq.write_table(
        pa.table({"sentence": [f"r.parquet row {i}" for i in range(1, 13)], "label": ["yes", "no"] * 6}),
        tmp_path / "r.parquet",
    )
    tables = data_splits(tmp_path, source="r.parquet")
    for split, table in tables.items():
        for at, sentence in enumerate(table["sentence"].to_pylist()):
            assert origin(tmp_path / "artifacts/data", split, at) == sentence


class Refuses:
    """A preprocessing that refuses the second row."""

    names = ("x",)

    def features(self, rows: object) -> list[Feature]:
        raise BadRow(1, "sentence", "is not readable")


def test_a_row_that_the_preprocessing_refuses_is_named_by_its_source(tmp_path: Path) -> None:
    sources(tmp_path)
    tables = data_splits(tmp_path, source="p/*.csv", split={"valid": 0.25, "test": "t.csv"})
    data = tmp_path / "artifacts/data"
    expected = tables["train"]["sentence"][1].as_py()
    with pytest.raises(StageError) as caught:
        load(data, "train", Refuses(), tmp_path)  # type: ignore[arg-type]
    assert caught.value.message == f"{expected}: `sentence` is not readable"
    (data / "origins.parquet").unlink()
    with pytest.raises(StageError, match=r"row 2 of train.parquet: `sentence` is not readable"):
        load(data, "train", Refuses(), tmp_path)  # type: ignore[arg-type]


def test_images_are_named_by_their_own_file(tmp_path: Path) -> None:
    import io

    from PIL import Image

    raw = io.BytesIO()
    Image.new("L", (4, 4)).save(raw, "PNG")
    write(tmp_path, {f"pets/{'cat' if i % 2 else 'dog'}/{i}.png": raw.getvalue() for i in range(20)})
    data_splits(tmp_path, source="pets", inputs={"p": "image"}, target={"column": "kind"})
    name = origin(tmp_path / "artifacts/data", "train", 0)
    assert (tmp_path / name).is_file()
    shutil.rmtree(tmp_path / "pets")
