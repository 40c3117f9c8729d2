"""Disturbances: small, seeded, and of what they say."""

from __future__ import annotations

import io
from typing import Any, get_args

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from mlspec.parts.test.perturbations import FUNCTIONS, perturbed  # noqa: E402
from mlspec.sections.test import FITS, Perturbation, fitting  # noqa: E402

TEXT = {"s": {"type": "text"}}
SENTENCE = "The professor talked us into a café near the harbour."


def texts(name: Any, text: str = SENTENCE, count: int = 40, strength: float = 1.0) -> list[str]:
    return [perturbed(name, {"s": text}, i, TEXT, 0, strength)["s"] for i in range(count)]


def picture(side: int = 16) -> bytes:
    out = io.BytesIO()
    Image.fromarray((np.arange(side * side).reshape(side, side) % 200 + 20).astype("uint8")).save(out, "PNG")
    return out.getvalue()


def pixels(raw: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(raw)), dtype=float)


def test_every_name_has_a_way_for_every_input_it_fits() -> None:
    assert set(FITS) == set(get_args(Perturbation))
    assert set(FUNCTIONS) == {(name, kind) for name, kinds in FITS.items() for kind in kinds}
    assert fitting(["text"]) == ["typos", "case", "punctuation", "whitespace", "accents"]
    assert fitting(["number", "category"]) == ["noise"]
    assert fitting(["image"]) == ["noise", "brightness", "shift"]


@pytest.mark.parametrize("name", [n for n, kinds in FITS.items() if "text" in kinds])
def test_texts_change_a_little_and_only_with_the_seed(name: Any) -> None:
    generated = texts(name)
    assert generated == texts(name)
    assert all(text != SENTENCE for text in generated)
    assert all(abs(len(text) - len(SENTENCE)) <= 10 for text in generated)
    others = [perturbed(name, {"s": SENTENCE}, i, TEXT, 1, 1.0)["s"] for i in range(40)]
    assert others != generated or name in ("accents", "punctuation")  # here there is but one way


def test_typos_are_slips_of_the_keyboard() -> None:
    for text in texts("typos"):
        assert sum(a != b for a, b in zip(text, SENTENCE, strict=False)) < len(SENTENCE)
        assert len(set(text.split()) & set(SENTENCE.split())) >= 6
    strong = texts("typos", strength=5)
    assert all(len(set(text.split()) & set(SENTENCE.split())) < 9 for text in strong)


def test_words_are_kept_where_only_their_form_changes() -> None:
    assert {t.lower() for t in texts("case")} == {SENTENCE.lower()}
    assert {" ".join(t.split()) for t in texts("whitespace")} == {SENTENCE}
    assert {t.rstrip(".! ") for t in texts("punctuation")} == {SENTENCE.rstrip(".")}
    assert set(texts("accents")) == {SENTENCE.replace("é", "e")}
    assert all(len(t) == 3 and t != "abc" for t in texts("accents", "abc"))


@pytest.mark.parametrize("text", ["", "?", "123", "日本語"])
@pytest.mark.parametrize("name", [n for n, kinds in FITS.items() if "text" in kinds])
def test_unusual_texts_are_accepted(name: Any, text: str) -> None:
    assert all(isinstance(t, str) for t in texts(name, text, 5))


def test_numbers_move_by_a_part_of_their_spread() -> None:
    inputs = {"x": {"type": "number", "std": 100.0}, "y": {"type": "number", "std": 0.0}, "t": {"type": "text"}}
    rows = [perturbed("noise", {"x": 7.0, "y": 1.0, "t": "a"}, i, inputs, 0, 1.0) for i in range(400)]
    moves = np.array([row["x"] - 7.0 for row in rows])
    assert 4 < moves.std() < 6
    assert all(row["y"] == 1.0 and row["t"] == "a" for row in rows)
    assert perturbed("noise", {"x": None, "y": 1.0, "t": ""}, 0, inputs, 0, 1.0)["x"] is None


def test_one_input_becomes_missing() -> None:
    inputs = {"x": {"type": "number"}, "c": {"type": "category"}, "t": {"type": "text"}}
    rows = [perturbed("missing", {"x": 1.0, "c": "a", "t": "b"}, i, inputs, 0, 1.0) for i in range(30)]
    assert {sum(v is None for v in row.values()) for row in rows} == {1}
    assert {name for row in rows for name, v in row.items() if v is None} == {"x", "c"}


@pytest.mark.parametrize("name", [n for n, kinds in FITS.items() if "image" in kinds])
def test_images_keep_their_size_and_most_of_their_look(name: Any) -> None:
    raw, inputs = picture(), {"i": {"type": "image"}}
    created = [perturbed(name, {"i": raw}, i, inputs, 0, 1.0)["i"] for i in range(6)]
    assert created == [perturbed(name, {"i": raw}, i, inputs, 0, 1.0)["i"] for i in range(6)]
    for other in created:
        assert other != raw
        assert pixels(other).shape == pixels(raw).shape
    if name != "shift":
        assert np.abs(pixels(created[0]) - pixels(raw)).mean() < 25
    else:
        assert any((pixels(other)[1:] == pixels(raw)[:-1]).all() for other in created)


def test_coloured_images() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (5, 7), (200, 100, 50, 255)).save(out, "PNG")
    created = perturbed("brightness", {"i": out.getvalue()}, 0, {"i": {"type": "image"}}, 0, 1.0)["i"]
    assert pixels(created).shape == (7, 5, 3)


def test_images_are_decoded_as_in_training() -> None:
    """16 bits per pixel are scaled, and transparent pixels lie on the background of the input."""
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8), 30_000, np.uint16)).save(out, "png")
    described: dict[str, Any] = {"i": {"type": "image", "background": "black"}}
    created = perturbed("noise", {"i": out.getvalue()}, 0, described, 0, 0.0)["i"]
    assert set(pixels(created).ravel().tolist()) == {117}
    layered = np.full((8, 8, 4), 90, np.uint8)
    layered[:, :4, 3] = 0
    layered[:, 4:, 3] = 255
    out = io.BytesIO()
    Image.fromarray(layered).save(out, "png")
    created = perturbed("noise", {"i": out.getvalue()}, 0, described, 0, 0.0)["i"]
    assert pixels(created)[0, :, 0].tolist() == [0] * 4 + [90] * 4
