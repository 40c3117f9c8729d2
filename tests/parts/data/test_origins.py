"""Where each row of a split comes from, and a later stage that names it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("torch")

from mlspec.errors import StageError  # noqa: E402
from mlspec.learning.rows import load, origin  # noqa: E402
from mlspec.runtime.errors import BadRow  # noqa: E402
from mlspec.runtime.preprocess import Feature  # noqa: E402
from tests.parts.data.project import made, write  # noqa: E402


def sources(root: Path) -> dict[str, list[str]]:
    """Two files for train, valid and test, and a third for test; the text of each row says where it stands."""
    texts: dict[str, list[str]] = {}
    for name, count in (("p/1.csv", 9), ("p/2.csv", 11), ("t.csv", 3)):
        texts[name] = [f"{name} row {at}" for at in range(1, count + 1)]
        lines = "".join(f"{text},{'yes' if at % 2 else 'no'}\n" for at, text in enumerate(texts[name]))
        write(root, {name: "sentence,label\n" + lines})
    return texts


def test_every_row_has_its_file_and_number(tmp_path: Path) -> None:
    sources(tmp_path)
    tables = made(tmp_path, source="p/*.csv", split={"valid": 0.25, "test": "t.csv"})
    data = tmp_path / "artifacts/data"
    for split, table in tables.items():
        for at, text in enumerate(table["sentence"].to_pylist()):
            assert origin(data, split, at) == text
    assert pq.read_metadata(data / "origins.parquet").num_rows == sum(table.num_rows for table in tables.values())


class Refuses:
    """A preprocessing that refuses the second row."""

    names = ("x",)

    def features(self, rows: object) -> list[Feature]:
        raise BadRow(1, "sentence", "is not readable")


def test_a_row_that_the_preprocessing_refuses_is_named_by_its_source(tmp_path: Path) -> None:
    sources(tmp_path)
    tables = made(tmp_path, source="p/*.csv", split={"valid": 0.25, "test": "t.csv"})
    data = tmp_path / "artifacts/data"
    expected = tables["train"]["sentence"][1].as_py()
    with pytest.raises(StageError) as caught:
        load(data, "train", Refuses())  # type: ignore[arg-type]
    assert caught.value.message == f"{expected}: `sentence` is not readable"
    (data / "origins.parquet").unlink()
    with pytest.raises(StageError, match=r"row 2 of train.parquet: `sentence` is not readable"):
        load(data, "train", Refuses())  # type: ignore[arg-type]


def test_images_are_named_by_their_own_file(tmp_path: Path) -> None:
    import io

    from PIL import Image

    raw = io.BytesIO()
    Image.new("L", (4, 4)).save(raw, "PNG")
    write(tmp_path, {f"pets/{'cat' if i % 2 else 'dog'}/{i}.png": raw.getvalue() for i in range(20)})
    made(tmp_path, source="pets", inputs={"p": "image"}, target={"column": "kind"})
    name = origin(tmp_path / "artifacts/data", "train", 0)
    assert (tmp_path / name).is_file()
    shutil.rmtree(tmp_path / "pets")
