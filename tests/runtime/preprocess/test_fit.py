"""One preprocessing for training and serving: what each kind makes of rows, and which rows it refuses."""

from __future__ import annotations

import base64
import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

from mlspec.runtime import BadRow
from mlspec.runtime.preprocess import Preprocess, load
from mlspec.runtime.preprocess.fit import fit
from mlspec.runtime.preprocess.tabular import TabularPreprocess

TEXTS = ["The cat sat on the mat.", "A dog ate the cat.", "", "Birds sing; dogs bark.", "Fünf Ärzte über München"] * 4
TEXT = {"sentence": {"type": "text"}}


def text(folder: Path, inputs: Any = TEXT, **how: Any) -> Preprocess:
    fit(dict.fromkeys(inputs, TEXTS), inputs, folder, **how)
    return load(folder)


def test_texts_are_padded_to_the_longest_of_the_batch(tmp_path: Path) -> None:
    applied = text(tmp_path, vocab_size=100)
    features = applied.features([{"sentence": "cat"}, {"sentence": "The cat sat on the mat."}, {"sentence": None}])
    batch = applied.collate(features)
    assert list(batch) == list(applied.names) == ["input_ids", "attention_mask"]
    lengths = [applied.length(f) for f in features]
    assert lengths[2] == 2
    assert batch["input_ids"].shape == (3, max(lengths))
    assert batch["attention_mask"].sum(axis=1).tolist() == lengths
    assert batch["input_ids"][batch["attention_mask"] == 0].tolist() == [0] * int((batch["attention_mask"] == 0).sum())
    assert {array.dtype for array in batch.values()} == {np.dtype(np.int64)}


def test_capitals_count_unless_they_are_not_to(tmp_path: Path) -> None:
    for lowercase in (False, True):
        applied = text(tmp_path / str(lowercase), vocab_size=200, lowercase=lowercase)
        small, large = (applied.features([{"sentence": words}])[0] for words in ("ärzte über", "ÄRZTE ÜBER"))
        assert (repr(small) == repr(large)) is lowercase


def test_long_texts_are_cut(tmp_path: Path) -> None:
    applied = text(tmp_path, max_length=8)
    (feature,) = applied.features([{"sentence": "cat " * 100}])
    assert applied.length(feature) == 8


def test_a_pair_of_texts(tmp_path: Path) -> None:
    inputs = {"first": {"type": "text"}, "second": {"type": "text"}}
    applied = text(tmp_path, inputs, names=("input_ids", "attention_mask", "token_type_ids"), max_length=32)
    (feature,) = applied.features([{"first": "The cat", "second": "dogs bark"}])
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    kinds = feature["token_type_ids"].tolist()
    second = [tokenizer.id_to_token(i) for i, k in zip(feature["input_ids"], kinds, strict=True) if k]
    assert kinds == sorted(kinds)
    assert second[-1] == "[SEP]"
    assert "".join(second[:-1]) == "▁dogs▁bark"
    assert applied.collate([feature])["token_type_ids"].dtype == np.int64


def test_a_given_tokenizer_is_used_with_its_padding(tmp_path: Path) -> None:
    given_one = Tokenizer(models.WordLevel({"<s>": 0, "<pad>": 1, "<unk>": 2, "cat": 3}, unk_token="<unk>"))
    given_one.pre_tokenizer = pre_tokenizers.Whitespace()
    given_one.enable_padding(length=64, pad_id=1, pad_token="<pad>")
    given_one.save(str(tmp_path / "given.json"))
    applied = text(tmp_path / "p", tokenizer=tmp_path / "given.json", max_length=5)
    batch = applied.collate(applied.features([{"sentence": "cat cat dog"}, {"sentence": "cat"}]))
    assert batch["input_ids"].tolist() == [[3, 3, 2], [3, 1, 1]]


LETTERS = " ".join(map(chr, range(0x3B1, 0x45F)))
"""More letters than an alphabet of half the vocabulary holds, and all equally frequent."""


def test_fitting_again_gives_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mlspec.runtime.preprocess.fit import fit; "
        f"fit({{'sentence': {[*TEXTS, LETTERS]!r}}}, {TEXT!r}, Path(sys.argv[1]), vocab_size=120)"
    )
    for name in ("a", "b", "c"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], check=True)
    for file in ("preprocess.json", "tokenizer.json"):
        assert len({(tmp_path / name / file).read_bytes() for name in ("a", "b", "c")}) == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, "must be text, not a number"),
        (["a"], "must be text, not a list"),
        ({"a": 1}, "must be text, not an object"),
        (True, "must be text, not a boolean"),
        ("x" * 1_000_001, "is longer than 1,000,000 characters"),
        ("half a pair: \ud800", "contains an unpaired surrogate"),
    ],
)
def test_a_value_that_is_not_text(tmp_path: Path, value: Any, message: str) -> None:
    applied = text(tmp_path)
    with pytest.raises(BadRow) as caught:
        applied.features([{"sentence": "fine"}, {"sentence": value}])
    assert (caught.value.index, caught.value.input, caught.value.message) == (1, "sentence", message)


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Preprocess:
    return text(tmp_path_factory.mktemp("text"), max_length=16)


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=8))
def test_any_text_is_taken(sentences: Preprocess, texts: list[str]) -> None:
    batch = sentences.collate(sentences.features([{"sentence": t} for t in texts]))
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    assert batch["input_ids"].shape[1] <= 16


NUMBERS = {
    "age": {"type": "number"},
    "fixed": {"type": "number"},
    "city": {"type": "category", "values": ["1", "Bonn", "true"]},
}
COLUMNS: dict[str, list[Any]] = {"age": [1.0, None, 3.0], "fixed": [7.1, 7.1, 7.1], "city": ["1", "Bonn", "true"]}


def test_numbers_are_standardised_and_categories_numbered(tmp_path: Path) -> None:
    fit(COLUMNS, NUMBERS, tmp_path)
    created = load(tmp_path)
    rows: list[dict[str, Any]] = [
        {"age": 3, "fixed": 7.1, "city": "Bonn"},
        {"age": None, "fixed": 8.1, "city": "Rome"},
        {"age": np.float32(1), "fixed": np.float64(7.1), "city": None},
        {"age": 1e300, "fixed": -1e300, "city": 1},
        {"age": math.nan, "fixed": 7.1, "city": True},
    ]
    batch = created.collate(created.features(rows))
    assert batch["numbers"].dtype == np.float32
    expected = [[1, 0], [0, 1], [-1, 0], [1e6, -1e6], [0, 0]]
    assert batch["numbers"].tolist() == [pytest.approx(pair, abs=1e-6) for pair in expected]
    assert batch["categories"].tolist() == [[2], [0], [0], [1], [3]]
    assert created.length(created.features(rows)[0]) == 1


def test_only_numbers_or_only_categories(tmp_path: Path) -> None:
    fit({"age": COLUMNS["age"]}, {"age": NUMBERS["age"]}, tmp_path / "n")
    fit({"city": COLUMNS["city"]}, {"city": NUMBERS["city"]}, tmp_path / "c")
    assert load(tmp_path / "n").names == ("numbers",)
    assert load(tmp_path / "c").names == ("categories",)


@given(st.lists(st.floats(-1e140, 1e140), min_size=1, max_size=30), st.floats(allow_infinity=False))
def test_any_number_gives_a_finite_input(values: list[float], requested: float) -> None:
    from mlspec.runtime.preprocess.fit import deviation

    created = TabularPreprocess({"numbers": {"x": deviation(values)}, "categories": {}}, Path())
    assert np.isfinite(created.features([{"x": requested}])[0]["numbers"]).all()


def picture(mode: str = "RGB", size: tuple[int, int] = (6, 4), **save: Any) -> bytes:
    out = io.BytesIO()
    pixels = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size[1], size[0]) * 10
    Image.fromarray(pixels).convert(mode).save(out, **{"format": "png", **save})
    return out.getvalue()


def images(folder: Path, channels: int = 3, height: int = 4, width: int = 6) -> Preprocess:
    fit(
        {"image": [picture()]},
        {"image": {"type": "image", "channels": channels, "height": height, "width": width}},
        folder,
    )
    return load(folder)


def test_every_way_to_send_an_image_gives_the_same_pixels(tmp_path: Path) -> None:
    created = images(tmp_path)
    raw = picture()
    encoded = base64.b64encode(raw).decode()
    array = np.asarray(Image.open(io.BytesIO(raw)))
    ways = [raw, bytearray(raw), memoryview(raw), encoded, f"data:image/png;base64,{encoded}", array, array.tolist()]
    batch = created.collate(created.features([{"image": way} for way in ways]))["pixels"]
    assert batch.shape == (len(ways), 3, 4, 6)
    assert batch.dtype == np.float32
    assert all((batch[i] == batch[0]).all() for i in range(len(ways)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_is_brought_to_the_channels(tmp_path: Path, mode: str, channels: int) -> None:
    created = images(tmp_path, channels, 8, 5)
    raw = picture(mode, format="tiff" if mode == "CMYK" else "png")
    assert created.collate(created.features([{"image": raw}]))["pixels"].shape == (1, channels, 8, 5)


def test_sixteen_bits_are_scaled_and_not_cut(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.fromarray((np.arange(24, dtype=np.uint16) * 10 * 257).reshape(4, 6)).save(out, "png")
    created = images(tmp_path, 1)
    deep, plain = (created.features([{"image": raw}])[0]["pixels"] for raw in (out.getvalue(), picture("L")))
    assert (deep == plain).all()


def test_an_image_held_sideways_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    created = images(tmp_path, 1, 6, 4)
    turned = created.features([{"image": picture("L", exif=exif.tobytes())}])[0]["pixels"]
    upright = np.rot90(np.asarray(Image.open(io.BytesIO(picture("L")))), -1)
    assert (turned == created.features([{"image": upright}])[0]["pixels"]).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "must be a base64 string or a list of pixel rows, not null"),
        (5, "must be a base64 string or a list of pixel rows, not a number"),
        ("not base64!", "is not base64"),
        ("aGVsbG8=", "is not a valid image of a supported format (PNG, JPEG, ...)"),
        (picture()[:60], "is not a valid image of a supported format (PNG, JPEG, ...)"),
        (b"", "is not a valid image of a supported format (PNG, JPEG, ...)"),
        ([[1, 2], [3]], "must be pixel rows of equal length, with numbers only"),
        ([["a"]], "must be pixel rows of equal length, with numbers only"),
        ([1, 2], "must have the shape [height, width] or [height, width, 3]"),
        ([], "must have the shape [height, width] or [height, width, 3]"),
        ([[256]], "must have pixel values from 0 to 255"),
        ([[-1]], "must have pixel values from 0 to 255"),
        ([[float("nan")]], "must have pixel values from 0 to 255"),
    ],
)
def test_bytes_that_are_not_an_image(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(BadRow) as caught:
        images(tmp_path).features([{"image": value}])
    assert (caught.value.input, caught.value.message) == ("image", message)


def test_a_decompression_bomb_is_refused_unopened(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("1", (8000, 7000)).save(out, "png")
    with pytest.raises(BadRow, match="has more than 50,000,000 pixels"):
        images(tmp_path).features([{"image": out.getvalue()}])


def test_several_kinds_are_joined(tmp_path: Path) -> None:
    inputs = {**TEXT, **NUMBERS, "image": {"type": "image", "channels": 1, "height": 4, "width": 6}}
    columns = {"sentence": TEXTS[:3], **COLUMNS, "image": [picture("L")] * 3}
    fit(columns, inputs, tmp_path)
    created = load(tmp_path)
    row = {"sentence": "the cat", "age": 3, "fixed": 7, "city": "Bonn", "image": picture("L")}
    features = created.features([row, {**row, "sentence": "the cat sat on the mat"}])
    batch = created.collate(features)
    assert list(batch) == list(created.names) == ["input_ids", "attention_mask", "numbers", "categories", "pixels"]
    assert {len(array) for array in batch.values()} == {2}
    assert created.length(features[1]) > created.length(features[0]) > 1


def test_what_is_saved_is_plain_json(tmp_path: Path) -> None:
    fit(COLUMNS, NUMBERS, tmp_path)
    assert json.loads((tmp_path / "preprocess.json").read_text()) == {
        "version": 1,
        "members": [
            {
                "kind": "tabular",
                "numbers": {"age": {"mean": 2.0, "std": 1.0}, "fixed": {"mean": pytest.approx(7.1), "std": 1.0}},
                "categories": {"city": ["1", "Bonn", "true"]},
            }
        ],
    }
