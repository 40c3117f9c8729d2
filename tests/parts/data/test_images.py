"""Image folders, and tables with paths or bytes of images."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mlspec.errors import StageError
from mlspec.runtime.preprocess import load
from mlspec.runtime.preprocess.fit import fit
from tests.parts.data.project import made, read, rows, write

TARGET = {"column": "label", "labels": ["ant", "bee"]}


def picture(shade: int, mode: str = "L", size: tuple[int, int] = (4, 6), format: str = "png") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, shade if mode == "L" else (shade, 0, 255 - shade)).save(out, format)
    return out.getvalue()


def folder(root: Path, count: int = 8, **how: Any) -> None:
    for i in range(count):
        write(
            root, {f"data/{kind}/{i}.png": picture(10 * i + shade, **how) for kind, shade in (("ant", 0), ("bee", 99))}
        )


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    folder(tmp_path)
    write(tmp_path, {"data/ant/notes.txt": "not an image"})
    for source in ("data", "data/*/*.png"):
        tables = made(tmp_path, source=source, inputs={"image": "image"}, target=TARGET)
        assert {t.schema.field("image").type for t in tables.values()} == {pa.binary()}
        assert sorted((r["image"], r["label"]) for r in rows(tables)) == sorted(
            [(picture(10 * i), 0) for i in range(8)] + [(picture(10 * i + 99), 1) for i in range(8)]
        )
    image = read(tmp_path, "schema.json")["inputs"]["image"]
    assert image == {"type": "image", "channels": 1, "height": 6, "width": 4}


def test_labels_are_the_folders_where_the_spec_names_none(tmp_path: Path) -> None:
    folder(tmp_path)
    write(tmp_path, {"valid/bee/1.png": picture(1)})
    split = {"valid": "valid", "test": 0.25}
    tables = made(tmp_path, source="data", inputs={"image": "image"}, target={"column": "label"}, split=split)
    assert read(tmp_path, "schema.json")["target"]["labels"] == ["ant", "bee"]
    assert tables["valid"]["label"].to_pylist() == [1]


def test_size_and_channels_are_given_or_the_most_frequent(tmp_path: Path) -> None:
    folder(tmp_path, mode="RGB")
    for name in ("x", "y"):
        write(tmp_path, {f"data/bee/{name}.png": picture(3, size=(9, 9))})
    made(tmp_path, source="data", inputs={"image": "image"}, target=TARGET)
    assert read(tmp_path, "schema.json")["inputs"]["image"] == {"type": "image", "channels": 3, "height": 6, "width": 4}
    given = {"type": "image", "channels": 1, "height": 2, "width": 3}
    made(tmp_path, source="data", inputs={"image": given}, target=TARGET)
    assert read(tmp_path, "schema.json")["inputs"]["image"] == given
    profile = read(tmp_path, "profile.json")["columns"]["image"]
    assert {"channels", "height", "width", "mean", "std"} <= profile.keys()


def test_damaged_images_are_told(tmp_path: Path) -> None:
    folder(tmp_path)
    write(tmp_path, {"data/ant/bad.png": picture(1)[:40], "data/ant/empty.jpg": b"", "data/wasp/1.png": picture(1)})
    with pytest.raises(StageError) as caught:
        made(tmp_path, source="data", inputs={"image": "image"}, target=TARGET)
    assert "image is not an image that can be read (PNG, JPEG, ...): 1 row" in caught.value.message
    assert "    data/ant/bad.png: " in caught.value.message
    assert "label is not one of: ant, bee: 1 row\n      data/wasp/1.png: 'wasp'" in caught.value.message


@pytest.mark.parametrize("format", [{}, {"images": "pictures"}])
def test_a_table_of_paths(tmp_path: Path, format: dict[str, str]) -> None:
    base = format.get("images", "data")
    lines = ["image,weight,label"]
    for i in range(12):
        write(tmp_path, {f"{base}/img/{i}.png": picture(i)})
        lines.append(f"img/{i}.png,{i / 2},{'bee' if i % 2 else 'ant'}")
    write(tmp_path, {"data/a.csv": "\n".join(lines)})
    inputs = {"image": "image", "weight": "number"}
    tables = made(tmp_path, source="data/a.csv", inputs=inputs, target=TARGET, format=format)
    assert sorted(r["image"] for r in rows(tables)) == sorted(picture(i) for i in range(12))


def test_paths_that_lead_nowhere_or_outside(tmp_path: Path) -> None:
    root = tmp_path / "project"
    write(tmp_path, {"secret.png": picture(1), "project/data/1.png": picture(1)})
    write(root, {"data/a.csv": "image,label\n1.png,ant\n../../secret.png,ant\n2.png,bee\n,bee\n"})
    with pytest.raises(StageError) as caught:
        made(root, source="data/a.csv", inputs={"image": "image"}, target=TARGET)
    for line, what in ((3, "lies outside of the project"), (4, "is a path at which no file"), (5, "is missing")):
        assert what in caught.value.message
        assert f"data/a.csv line {line}: " in caught.value.message


@pytest.mark.parametrize("wrapped", [False, True])
def test_bytes_in_parquet(tmp_path: Path, wrapped: bool) -> None:
    images = [picture(i) for i in range(8)]
    column = [{"bytes": i, "path": None} for i in images] if wrapped else images
    pq.write_table(pa.table({"image": column, "label": ["ant", "bee"] * 4}), tmp_path / "a.parquet")
    tables = made(tmp_path, source="a.parquet", inputs={"image": "image"}, target=TARGET)
    assert sorted(r["image"] for r in rows(tables)) == sorted(images)


def test_a_column_of_numbers_holds_no_images(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [1, 2], "label": ["ant", "bee"]}), tmp_path / "a.parquet")
    with pytest.raises(StageError, match="`image` holds no images but int64"):
        made(tmp_path, source="a.parquet", inputs={"image": "image"}, target=TARGET)


def test_what_the_stage_makes_is_what_preprocessing_reads(tmp_path: Path) -> None:
    folder(tmp_path, mode="RGB")
    table = made(tmp_path, source="data", inputs={"image": "image"}, target=TARGET)["train"]
    schema = read(tmp_path, "schema.json")
    fit({"image": table["image"].to_pylist()}, schema["inputs"], tmp_path / "preprocess")
    made_of = load(tmp_path / "preprocess")
    pixels = made_of.collate(made_of.features(table.select(["image"]).to_pylist()))["pixels"]
    assert pixels.shape == (table.num_rows, 3, 6, 4)
    assert pixels.dtype == np.float32
    assert abs(float(pixels.mean())) < 1e-5
    assert float(pixels.std()) == pytest.approx(1, abs=1e-4)
