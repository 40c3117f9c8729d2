"""Rows that repeat others, identical or nearly."""

from __future__ import annotations

import io

import pytest

from mlspec.testing.similar_rows import contradicting_rows, repeated_rows, shared_rows

pa = pytest.importorskip("pyarrow")
Image = pytest.importorskip("PIL.Image")

TEXTS = {"inputs": {"text": {"type": "text"}}, "target": {"column": "label", "type": "class", "labels": ["no", "yes"]}}
NUMBERS = {
    "inputs": {"size": {"type": "number"}, "town": {"type": "category", "values": ["Bonn", "Ulm"]}},
    "target": {"column": "price", "type": "number"},
}
IMAGES = {
    "inputs": {"image": {"type": "image", "channels": 1, "height": 32, "width": 32}},
    "target": {"column": "label", "type": "class", "labels": ["no", "yes"]},
}


def texts(*rows: tuple[str | None, int]) -> object:
    return pa.table({"text": [text for text, _ in rows], "label": [label for _, label in rows]})


def test_texts_that_differ_in_case_and_punctuation_are_nearly_identical() -> None:
    train = texts(("The cat sat.", 1), ("A dog", 0), ("?", 1), (None, 0))
    table = texts(("the cat  sat", 1), ("A dog", 1), ("!", 1), ("the cat ran", 0), (None, 1))
    assert shared_rows(table, train, TEXTS) == [(0, 0, False), (1, 1, True), (4, 3, True)]


def test_numbers_are_compared_by_their_spread() -> None:
    train = pa.table({"size": [0.0, 1.0, 2.0, None], "town": ["Bonn"] * 4, "price": [1.0, 2.0, 3.0, 4.0]})
    table = pa.table({"size": [1.0001, 1.01, 2.0, None], "town": ["Bonn", "Bonn", "Ulm", "Bonn"], "price": [0.0] * 4})
    assert shared_rows(table, train, NUMBERS) == [(0, 1, False), (3, 3, True)]


def test_a_row_repeats_the_first_with_its_inputs_and_target() -> None:
    table = texts(("a cat", 1), ("A cat!", 1), ("a cat", 0), ("a cat", 1))
    assert repeated_rows(table, TEXTS) == [(1, 0, False), (3, 0, True)]
    assert [match.row for match in repeated_rows(table, TEXTS, inputs_only=True)] == [1, 2, 3]


def test_identical_inputs_with_another_label_contradict_each_other() -> None:
    table = texts(("a cat", 1), ("a dog", 1), ("a cat", 0), ("A cat", 0))
    assert contradicting_rows(table, TEXTS) == [(0, 2, True), (2, 0, True)]


def encoded(shift: int, quality: int | None = None) -> bytes:
    picture = Image.new("L", (32, 32))
    picture.putdata([(x * 5 + y * shift) % 256 for y in range(32) for x in range(32)])
    raw = io.BytesIO()
    picture.save(raw, "PNG") if quality is None else picture.save(raw, "JPEG", quality=quality)
    return raw.getvalue()


def test_an_image_encoded_again_is_nearly_identical() -> None:
    train = pa.table({"image": [encoded(1), encoded(2), encoded(3)], "label": [0, 0, 0]})
    table = pa.table({"image": [encoded(2), encoded(3, quality=95), encoded(5)], "label": [0, 0, 0]})
    assert shared_rows(table, train, IMAGES) == [(0, 1, True), (1, 2, False)]
    assert repeated_rows(pa.concat_tables([train, table]), IMAGES) == [(3, 1, True), (4, 2, False)]
