"""Equal inputs: with different labels they contradict each other, in test and train they flatter."""

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

from tests.parts.data.project import csv, data_splits, write
from tests.parts.data.test_images import picture

TEXT = "sentence,label\n" + "".join(f"s{row},{'no' if row % 2 else 'yes'}\n" for row in range(16))
TWICE = TEXT + "s3,yes\ns3,no\n"


def warnings_of(root: Path, capsys: pytest.CaptureFixture[str], **settings: Any) -> list[str]:
    data_splits(root, **settings)
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
    (warning,) = warnings_of(tmp_path, capsys, source=f"data/{name}")
    assert warning.startswith("warning: 3 rows share their inputs with a row of a different label: ")
    assert f"data/{name} row 17 is `yes`" in warning
    assert f"data/{name} row 4 is `no`" in warning or f"data/{name} row 18 is `no`" in warning


def test_the_splits_are_compared_with_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"data/rows.csv": csv(), "data/test.csv": csv(8).replace(",yes", ",YES").replace(",no", ",yes")})
    write(tmp_path, {"data/test.csv": (tmp_path / "data/test.csv").read_text().replace("YES", "no")})
    (warning,) = warnings_of(tmp_path, capsys, split={"valid": 0.25, "test": "data/test.csv"})
    assert warning.startswith("warning: 16 rows share their inputs with a row of a different label: ")
    assert warning.endswith("; and 5 more")
    assert "data/test.csv row " in warning


@pytest.mark.parametrize("value", [("1", "1.0"), ("-1", "-1")])
def test_equal_numbers_are_equal_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: tuple[str, str]
) -> None:
    body = "".join(f"{row + 5},{'no' if row % 2 else 'yes'}\n" for row in range(16))
    write(tmp_path, {"data/rows.csv": f"size,label\n{body}{value[0]},no\n{value[1]},yes\n-2,no\n"})
    (warning,) = warnings_of(tmp_path, capsys, inputs={"size": "number"})
    assert warning.startswith("warning: 2 rows ")


def test_a_picture_in_two_class_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, shade in (("cat", 0), ("dog", 100)):
        write(tmp_path, {f"data/pets/{kind}/{i}.png": picture(shade + i) for i in range(8)})
    write(tmp_path, {"data/pets/dog/copy.png": picture(3)})
    how: dict[str, Any] = {"source": "data/pets", "inputs": {"picture": "image"}, "target": {"column": "kind"}}
    (warning,) = warnings_of(tmp_path, capsys, **how)
    assert warning.startswith("warning: 2 rows share their inputs with a row of a different label: ")
    assert "data/pets/dog/copy.png is `dog`" in warning
    assert "data/pets/cat/3.png is `cat`" in warning


def saved(shade: int, format: str, mode: str = "RGB", **how: Any) -> bytes:
    """A picture without a loss, in a file of that format."""
    out = io.BytesIO()
    pixels = Image.new("RGB", (4, 6), (shade, shade, shade))
    pixels.putpixel((1, 2), (9, 9, 9))
    (pixels.quantize() if mode == "P" else pixels.convert(mode)).save(out, format, **how)
    return out.getvalue()


AGAIN: dict[str, bytes] = {
    "copy.png": saved(3, "PNG", compress_level=0),
    "copy.bmp": saved(3, "BMP"),
    "copy.webp": saved(3, "WEBP", lossless=True),
    "copy.tif": saved(3, "TIFF", compression="tiff_lzw"),
    "grey.png": saved(3, "PNG", "L"),
    "palette.png": saved(3, "PNG", "P"),
    "alpha.png": saved(3, "PNG", "RGBA"),
    "note.png": saved(3, "PNG", dpi=(300, 300)),
}


@pytest.mark.parametrize("name", AGAIN)
@pytest.mark.parametrize("table", [False, True])
def test_a_picture_saved_again_with_another_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, table: bool
) -> None:
    files = {f"{kind}/{i}.png": saved(shade + i, "PNG") for kind, shade in (("cat", 0), ("dog", 100)) for i in range(8)}
    files[f"dog/{name}"] = AGAIN[name]
    assert AGAIN[name] not in [files[path] for path in files if path != f"dog/{name}"]
    write(tmp_path, {f"data/pets/{path}": contents for path, contents in files.items()})
    how: dict[str, Any] = {"source": "data/pets", "inputs": {"picture": "image"}, "target": {"column": "kind"}}
    if table:
        lines = [f"pets/{path},{path[:3]}" for path in files]
        write(tmp_path, {"data/rows.csv": "\n".join(["picture,kind", *lines])})
        how["source"] = "data/rows.csv"
    (warning,) = warnings_of(tmp_path, capsys, **how)
    assert warning.startswith("warning: 2 rows share their inputs with a row of a different label: ")
    assert ("data/rows.csv row 4 is `cat`" if table else "data/pets/cat/3.png is `cat`") in warning


def test_pictures_that_differ_in_a_single_pixel_are_not_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def wide(kind: str, at: int) -> bytes:
        out = io.BytesIO()
        pixels = Image.new("RGB", (500, 300), "white")
        pixels.putpixel((at + (100 if kind == "cat" else 0), 7), (9, 9, 9))
        pixels.save(out, "PNG")
        return out.getvalue()

    write(tmp_path, {f"data/pets/{kind}/{i}.png": wide(kind, i) for kind in ("cat", "dog") for i in range(8)})
    how: dict[str, Any] = {"source": "data/pets", "inputs": {"picture": "image"}, "target": {"column": "kind"}}
    assert warnings_of(tmp_path, capsys, **how) == []
    write(tmp_path, {"data/pets/dog/copy.png": wide("cat", 3)})
    assert len(warnings_of(tmp_path, capsys, **how)) == 1


def test_pictures_of_test_saved_again_in_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, shade in (("cat", 0), ("dog", 100)):
        write(tmp_path, {f"data/pets/{kind}/{i}.png": saved(shade + i, "PNG") for i in range(8)})
        write(tmp_path, {f"data/other/{kind}/{i}.bmp": saved(shade + i + (5 if i else 0), "BMP") for i in range(4)})
    data_splits(tmp_path, source="data/pets", inputs={"picture": "image"}, target={"column": "kind"},
         split={"valid": 0.2, "test": "data/other"})  # fmt: skip
    train = {row["file"] for row in pq.read_table(tmp_path / "artifacts/data/origins.parquet").to_pylist()
             if row["split"] == "train"}  # fmt: skip
    again = sum(f"data/pets/{kind}/{at}.png" in train for kind in ("cat", "dog") for at in (0, 6, 7))
    assert f"warning: {again} of 8 rows of test have the same inputs as a row of train" in capsys.readouterr().out


def test_repeated_rows_with_one_label_do_not_contradict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"data/rows.csv": TEXT + "s3,no\ns3,no\n"})
    assert warnings_of(tmp_path, capsys) == []
    numbers = "size,price\n" + "".join(f"{row % 4},{row}\n" for row in range(16))
    write(tmp_path, {"data/rows.csv": numbers})
    assert warnings_of(tmp_path, capsys, inputs={"size": "number"}, target={"column": "price", "type": "number"}) == []
