"""Image folders, and tables with paths or bytes of images."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageCms

from mlspec.errors import StageError
from mlspec.runtime.preprocess import load
from mlspec.runtime.preprocess.fit import fit
from tests.parts.data.project import data_splits, read, rows, spec, write

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
    write(tmp_path, {"data/ant/notes.txt": "not a valid image"})
    for source in ("data", "data/*/*.png"):
        tables = data_splits(tmp_path, source=source, inputs={"image": "image"}, target=TARGET)
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
    tables = data_splits(tmp_path, source="data", inputs={"image": "image"}, target={"column": "label"}, split=split)
    assert read(tmp_path, "schema.json")["target"]["labels"] == ["ant", "bee"]
    assert tables["valid"]["label"].to_pylist() == [1]


def test_size_and_channels_are_given_or_the_most_frequent(tmp_path: Path) -> None:
    folder(tmp_path, mode="RGB")
    for name in ("x", "y"):
        write(tmp_path, {f"data/bee/{name}.png": picture(3, size=(9, 9))})
    data_splits(tmp_path, source="data", inputs={"image": "image"}, target=TARGET)
    assert read(tmp_path, "schema.json")["inputs"]["image"] == {"type": "image", "channels": 3, "height": 6, "width": 4}
    given = {"type": "image", "channels": 1, "height": 2, "width": 3}
    data_splits(tmp_path, source="data", inputs={"image": given}, target=TARGET)
    assert read(tmp_path, "schema.json")["inputs"]["image"] == given
    profile = read(tmp_path, "profile.json")["columns"]["image"]
    assert {"channels", "height", "width", "mean", "std"} <= profile.keys()


def test_damaged_images_are_reported(tmp_path: Path) -> None:
    folder(tmp_path)
    write(tmp_path, {"data/ant/bad.png": picture(1)[:40], "data/ant/empty.jpg": b"", "data/wasp/1.png": picture(1)})
    with pytest.raises(StageError) as caught:
        data_splits(tmp_path, source="data", inputs={"image": "image"}, target=TARGET)
    assert "image is not a valid image of a supported format (PNG, JPEG, ...): 1 row" in caught.value.message
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
    tables = data_splits(tmp_path, source="data/a.csv", inputs=inputs, target=TARGET, format=format)
    assert sorted(r["image"] for r in rows(tables)) == sorted(picture(i) for i in range(12))


def test_dangling_paths_and_paths_outside(tmp_path: Path) -> None:
    root = tmp_path / "project"
    write(tmp_path, {"secret.png": picture(1), "project/data/1.png": picture(1)})
    write(root, {"data/a.csv": "image,label\n1.png,ant\n../../secret.png,ant\n2.png,bee\n,bee\n"})
    with pytest.raises(StageError) as caught:
        data_splits(root, source="data/a.csv", inputs={"image": "image"}, target=TARGET)
    for line, what in ((3, "is outside the project"), (4, "is a path without a readable file"), (5, "is missing")):
        assert what in caught.value.message
        assert f"data/a.csv line {line}: " in caught.value.message


@pytest.mark.parametrize("wrapped", [False, True])
def test_bytes_in_parquet(tmp_path: Path, wrapped: bool) -> None:
    images = [picture(i) for i in range(8)]
    column = [{"bytes": i, "path": None} for i in images] if wrapped else images
    pq.write_table(pa.table({"image": column, "label": ["ant", "bee"] * 4}), tmp_path / "a.parquet")
    tables = data_splits(tmp_path, source="a.parquet", inputs={"image": "image"}, target=TARGET)
    assert sorted(r["image"] for r in rows(tables)) == sorted(images)


def test_a_column_of_numbers_holds_no_images(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [1, 2], "label": ["ant", "bee"]}), tmp_path / "a.parquet")
    with pytest.raises(StageError, match="the image column `image` contains int64"):
        data_splits(tmp_path, source="a.parquet", inputs={"image": "image"}, target=TARGET)


def test_what_the_stage_makes_is_what_preprocessing_reads(tmp_path: Path) -> None:
    folder(tmp_path, mode="RGB")
    table = data_splits(tmp_path, source="data", inputs={"image": "image"}, target=TARGET)["train"]
    schema = read(tmp_path, "schema.json")
    fit({"image": table["image"].to_pylist()}, schema["inputs"], tmp_path / "preprocess")
    made_of = load(tmp_path / "preprocess")
    pixels = made_of.collate(made_of.features(table.select(["image"]).to_pylist()))["pixels"]
    assert pixels.shape == (table.num_rows, 3, 6, 4)
    assert pixels.dtype == np.float32
    assert abs(float(pixels.mean())) < 1e-5
    assert float(pixels.std()) == pytest.approx(1, abs=1e-4)


def paths_of(root: Path, *lines: str) -> None:
    write(root, {"data/a.csv": "\n".join(["image,label", *lines])})


def test_absolute_paths_in_a_column_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"data/1.png": picture(1), "1.png": picture(2)})
    paths_of(
        tmp_path, "/1.png,ant", f"{tmp_path}/data/1.png,bee", "C:\\x\\1.png,bee", "data/../../1.png,ant", "1.png,bee"
    )
    with pytest.raises(StageError) as caught:
        data_splits(tmp_path, source="data/a.csv", inputs={"image": "image"}, target=TARGET)
    assert "is an absolute path; make it relative to the folder of the table, or to data.format.images: 3 rows" in (
        caught.value.message
    )


def test_paths_with_backslashes_repeats_and_a_link(tmp_path: Path) -> None:
    root = tmp_path / "project"
    for i in range(8):
        write(tmp_path, {f"disk/{i}.png": picture(i)})
    (root / "data").mkdir(parents=True)
    paths_of(root, *(f"img\\{i}.png,{'bee' if i % 2 else 'ant'}" for i in range(8)), "./img/0.png,ant")
    (root / "data/img").symlink_to(tmp_path / "disk")
    with pytest.raises(StageError, match="data/img is a link to a folder") as caught:
        data_splits(root, source="data/a.csv", inputs={"image": "image"}, target=TARGET)
    assert "data: {deps: [data/img]}" in caught.value.message
    tables = data_splits(root, source="data/a.csv", inputs={"image": "image"}, target=TARGET, deps=["data/img"])
    assert len(rows(tables)) == 9
    readings = [row["reading"] for row in read(root, "decisions.json")["decisions"]]
    assert "8 paths with `\\` read with `/`" in readings
    assert "1 row use the same image file as another row" in readings
    assert f"data/img links to a path outside the project: {tmp_path / 'disk'}" in readings


def deep(largest: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.linspace(0, largest, 24).reshape(4, 6).astype(np.uint16)).save(out, "png")
    return out.getvalue()


def test_16_bits_of_which_12_are_used_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {f"data/{kind}/{i}.png": deep(4000 + i) for kind in ("ant", "bee") for i in range(8)})
    with pytest.raises(StageError, match="has 16 bits per pixel, but no value above 4007"):
        data_splits(tmp_path, source="data", inputs={"image": "image"}, target=TARGET)
    write(tmp_path, {"data/bee/9.png": deep(65535)})
    data_splits(tmp_path, source="data", inputs={"image": "image"}, target=TARGET)
    readings = [row["reading"] for row in read(tmp_path, "decisions.json")["decisions"]]
    assert "17 of 17 images: 16 bits per channel scaled to 8, e.g. data/ant/0.png" in readings


def test_a_struct_with_paths_and_with_placeholders(tmp_path: Path) -> None:
    write(tmp_path, {"data/1.png": picture(7)})
    column = [{"bytes": None, "path": "1.png"}, *({"bytes": picture(i), "path": f"{i}.png"} for i in range(7))]
    pq.write_table(pa.table({"image": column, "label": ["ant", "bee"] * 4}), tmp_path / "data/a.parquet")
    tables = data_splits(tmp_path, source="data/a.parquet", inputs={"image": "image"}, target=TARGET)
    assert sorted(r["image"] for r in rows(tables)) == sorted(picture(i) for i in range(8))
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    pq.write_table(pa.table({"image": [pointer, picture(1)], "label": ["ant", "bee"]}), tmp_path / "data/a.parquet")
    with pytest.raises(StageError, match="image is a git-lfs pointer"):
        data_splits(tmp_path, source="data/a.parquet", inputs={"image": "image"}, target=TARGET)


def half_clear(shade: int) -> bytes:
    """Red of that shade, transparent in the left half."""
    layered = np.zeros((6, 4, 4), np.uint8)
    layered[:, :, 0], layered[:, 2:, 3] = shade, 255
    out = io.BytesIO()
    Image.fromarray(layered).save(out, "png")
    return out.getvalue()


@pytest.mark.parametrize(("background", "behind"), [(None, 255), ("black", 0), ("#404040", 64)])
def test_a_background_is_the_same_in_training_and_serving(tmp_path: Path, background: str | None, behind: int) -> None:
    """A folder in which some images have transparent pixels and others have none."""
    folder(tmp_path, mode="RGB")
    write(tmp_path, {f"data/ant/clear{i}.png": half_clear(40 * i) for i in range(6)})
    inputs = {"image": {"type": "image", **({"background": background} if background else {})}}
    table = data_splits(tmp_path, source="data", inputs=inputs, target=TARGET)["train"]
    output = {row["reading"]: row["key"] for row in read(tmp_path, "decisions.json")["decisions"]}
    behind_all = f"transparent pixels composited on {background or 'white'}"
    reading = f"6 of 22 images: {behind_all}, e.g. data/ant/clear0.png"
    assert output[reading] == "data.inputs.image.background"
    described = read(tmp_path, "schema.json")["inputs"]
    fit({"image": table["image"].to_pylist()}, described, tmp_path / "preprocess", raw=True)
    served = load(tmp_path / "preprocess").features([{"image": half_clear(200)}])[0]["pixels"]
    assert (served[:, :, :2] == behind).all()
    assert (served[0, :, 2:] == 200).all()


@pytest.mark.parametrize("colour", ["green", "#FFF", "#12345", "", "rgb(1,2,3)"])
def test_a_background_that_is_not_a_colour(colour: str) -> None:
    with pytest.raises(ValueError, match="a colour is `white`, `black` or `'#rrggbb'`"):
        spec(inputs={"image": {"type": "image", "background": colour}})


def with_profile(shade: int, name: str, mode: str = "RGB") -> bytes:
    """An image with the profile of sRGB under another description of as many letters."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    renamed = profile.replace("sRGB built-in".encode("utf-16-be"), f"{name:13}".encode("utf-16-be"))
    out = io.BytesIO()
    Image.new(mode, (4, 6), (shade,) * len(mode)).save(out, "jpeg", icc_profile=renamed)
    return out.getvalue()


def test_colour_profiles_that_are_not_applied_are_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path)
    how: dict[str, Any] = {"source": "data", "inputs": {"image": "image"}, "target": TARGET}
    write(tmp_path, {"data/ant/srgb.jpg": with_profile(3, "sRGB built-in")})
    data_splits(tmp_path, **how)
    assert "profile" not in capsys.readouterr().out
    write(tmp_path, {f"data/ant/p3-{i}.jpg": with_profile(i, "Display P3") for i in range(2)})
    write(
        tmp_path,
        {"data/bee/adobe.jpg": with_profile(9, "Adobe RGB"), "data/bee/print.jpg": with_profile(9, "Coated", "CMYK")},
    )
    data_splits(tmp_path, **how)
    named = "Display P3 (2), Adobe RGB (1), Coated (1)"
    assert (
        "warning: 4 of 21 images of `image` have a colour profile other than sRGB, which is not applied: "
        f"{named}. Convert them to sRGB"
    ) in capsys.readouterr().out.splitlines()
    readings = [row["reading"] for row in read(tmp_path, "decisions.json")["decisions"]]
    ignored = "ICC colour profile ignored, pixel values used as they are"
    assert f"2 of 21 images: {ignored}: Display P3, e.g. data/ant/p3-0.jpg" in readings
