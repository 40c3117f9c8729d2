"""The same pixels as a folder of any format, as a table of paths and as bytes in parquet: the same rows and splits."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mlspec.runtime.preprocess.image import opened
from tests.parts.data.project import data_splits, read, write

Pixels = np.ndarray[Any, Any]
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("png", {}),
    "bmp": ("bmp", {}),
    "tif": ("tiff", {}),
    "tiff": ("tiff", {"compression": "tiff_lzw"}),
    "webp": ("webp", {"lossless": True}),
    "ppm": ("ppm", {}),
    "jp2": ("jpeg2000", {"irreversible": False}),
}
CLASSES = ("ant", "bee")
INPUT = {"image": "image"}
TARGET = {"column": "label"}
SPLIT = {"valid": 0.25, "test": 0.25}


@st.composite
def pictures(draw: st.DrawFn) -> list[Pixels]:
    """Some images of one kind: grey, or in colour."""
    count = draw(st.integers(8, 12))
    shape = draw(st.sampled_from([(5, 4), (5, 4, 3), (16, 9), (1, 7, 3)]))
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    return [seed.integers(0, 256, shape, dtype=np.uint8) for _ in range(count)]


def written(pixels: Pixels, ending: str) -> bytes:
    format, how = FORMATS[ending]
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format, **how)
    return out.getvalue()


def folder(root: Path, images: list[Pixels], ending: str) -> dict[str, Any]:
    half = len(images) // 2
    for i, image in enumerate(images):
        write(root, {f"data/{CLASSES[i >= half]}/{i:02}.{ending}": written(image, ending)})
    return {"source": "data"}


def paths(root: Path, images: list[Pixels], ending: str) -> dict[str, Any]:
    folder(root, images, ending)
    half = len(images) // 2
    rows = [f"./{CLASSES[i >= half]}/{i:02}.{ending},{CLASSES[i >= half]}" for i in range(len(images))]
    write(root, {"data/rows.csv": "\n".join(["image,label", *rows])})
    return {"source": "data/rows.csv"}


def parquet(root: Path, images: list[Pixels], ending: str, wrapped: bool) -> dict[str, Any]:
    half = len(images) // 2
    raw = [written(image, ending) for image in images]
    column: list[Any] = [{"bytes": one, "path": None} for one in raw] if wrapped else raw
    (root / "data").mkdir()
    table = pa.table({"image": column, "label": [CLASSES[i >= half] for i in range(len(images))]})
    pq.write_table(table, root / "data/rows.parquet")
    return {"source": "data/rows.parquet"}


def represented(root: Path, images: list[Pixels], form: str, ending: str) -> dict[str, Any]:
    if form in ("bytes", "struct"):
        return parquet(root, images, ending, form == "struct")
    return {"folder": folder, "paths": paths}[form](root, images, ending)


def result(images: list[Pixels], form: str, ending: str) -> tuple[Any, ...]:
    """The rows of each split as pixels and labels, the profile and the schema."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tables = data_splits(root, inputs=INPUT, target=TARGET, split=SPLIT, **represented(root, images, form, ending))
        rows = {
            split: [
                (np.asarray(opened(row["image"]).convert("RGB")).tobytes(), row["label"]) for row in table.to_pylist()
            ]
            for split, table in tables.items()
        }
        return rows, read(root, "profile.json"), read(root, "schema.json")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    images=pictures(),
    form=st.sampled_from(["folder", "paths", "bytes", "struct"]),
    ending=st.sampled_from(sorted(FORMATS)),
)
def test_the_same_pixels_are_the_same_rows(images: list[Pixels], form: str, ending: str) -> None:
    rows, profile, schema = result(images, form, ending)
    expected = result(images, "folder", "png")
    assert (rows, profile, schema) == expected
    # The oracle: every picture as numpy has it is in exactly one split, with its class.
    half = len(images) // 2
    whole = [
        (
            np.broadcast_to(image[..., None] if image.ndim == 2 else image, (*image.shape[:2], 3)).tobytes(),
            int(i >= half),
        )
        for i, image in enumerate(images)
    ]
    assert sorted(row for split in rows.values() for row in split) == sorted(whole)
