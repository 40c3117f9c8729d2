"""Whether two sets of rows come from one preparation: statistics that know shuffling and augmentation from raw values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mlspec.learning.inputs import PreparedRows, differing, in_part, of_tensors, rounded, share_known, trimmed

DRAW = np.random.default_rng(3)
PIXELS = np.clip(DRAW.normal(0.45, 0.25, (300, 3, 8, 8)), 0, 1).astype(np.float32)
MEAN, STD = PIXELS.mean(), PIXELS.std()
NUMBERS = DRAW.normal(size=(300, 5)).astype(np.float32)
WORDS = [DRAW.zipf(1.5, size=DRAW.integers(3, 20)) % 500 + 4 for _ in range(300)]
CATEGORIES = DRAW.integers(1, 4, (300, 2))


def given(**arrays: object) -> PreparedRows:
    rows = [dict(zip(arrays, row, strict=True)) for row in zip(*arrays.values(), strict=True)]  # type: ignore[arg-type]
    return PreparedRows([{name: np.asarray(value) for name, value in row.items()} for row in rows])


def numbers(change: Callable[[np.ndarray], np.ndarray], rows: slice = slice(0, 32)) -> list[str]:
    return differing(given(numbers=change(NUMBERS)[rows].astype(np.float32)), given(numbers=NUMBERS))


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v * 4 + 8,
        lambda v: v * 20,
        lambda v: v / 20,
        lambda v: v + 4,
        lambda v: (v - v.min()) / (v.max() - v.min()),
        lambda v: np.where(v > 1, np.nan, v),
        lambda v: v[:, :4],
        lambda v: v[:, :, None],
    ],
)
def test_raw_scaled_or_missing_numbers_are_of_another_world(change: Callable[[np.ndarray], np.ndarray]) -> None:
    assert numbers(change) == ["numbers"]


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        (lambda v: v, slice(0, 1)),
        (lambda v: v, slice(0, 3)),
        (lambda v: v[np.argsort(v[:, 0])], slice(0, 32)),
        (lambda v: v + 0.3 * DRAW.normal(size=v.shape), slice(0, 16)),
        (lambda v: v * DRAW.uniform(0.7, 1.3, size=v.shape), slice(0, 64)),
        (lambda v: np.where(DRAW.random(v.shape) < 0.2, 0, v), slice(0, 64)),
        (lambda v: 0.6 * v + 0.4 * v[::-1], slice(0, 64)),
    ],
)
def test_order_noise_and_mixtures_are_not(change: Callable[[np.ndarray], np.ndarray], rows: slice) -> None:
    assert numbers(change, rows) == []


@pytest.mark.parametrize("seed", range(50))
def test_no_batch_of_the_same_rows_is_refused_by_chance(seed: int) -> None:
    draw = np.random.default_rng(seed)
    wide = np.concatenate([draw.normal(size=(400, 2)), draw.lognormal(size=(400, 1)), draw.random((400, 1)) < 0.02], 1)
    scaled = ((wide - wide.mean(0)) / wide.std(0)).astype(np.float32)
    for rows in (1, 2, 8, 32, 256):
        chosen = scaled[draw.choice(400, rows, replace=False)] + draw.normal(0, 0.1, (rows, 4)).astype(np.float32)
        assert differing(given(numbers=chosen), given(numbers=scaled)) == []


def pictures(change: Callable[[np.ndarray], np.ndarray]) -> list[str]:
    standard = ((PIXELS - MEAN) / STD).astype(np.float32)
    return differing(given(pixels=change(PIXELS)[:32].astype(np.float32)), given(pixels=standard))


@pytest.mark.parametrize("change", [lambda p: p, lambda p: 255 * p, lambda p: 2 * p - 0.9 + 5])
def test_pixels_of_another_range(change: Callable[[np.ndarray], np.ndarray]) -> None:
    assert pictures(change) == ["pixels"]


@pytest.mark.parametrize(
    "change",
    [
        lambda p: (p[..., ::-1] - MEAN) / STD,
        lambda p: (np.roll(p, 2, axis=2) - MEAN) / STD,
        lambda p: (np.clip(p * 1.3, 0, 1) - MEAN) / STD,
        lambda p: (p - 0.5) / 0.25,
    ],
)
def test_flips_shifts_brightness_and_other_constants(change: Callable[[np.ndarray], np.ndarray]) -> None:
    assert pictures(change) == []


def test_whole_numbers_for_decimals_are_another_kind() -> None:
    assert differing(given(pixels=(255 * PIXELS).astype(np.uint8)), given(pixels=PIXELS)) == ["pixels"]


def test_tokens_of_another_vocabulary() -> None:
    assert differing(given(input_ids=[w + 600 for w in WORDS[:32]]), given(input_ids=WORDS)) == ["input_ids"]
    assert differing(given(input_ids=WORDS[100:132]), given(input_ids=WORDS)) == []


def test_categories_that_count_from_zero() -> None:
    assert differing(given(categories=CATEGORIES[:32] - 1), given(categories=CATEGORIES)) == ["categories"]
    assert differing(given(categories=CATEGORIES[:32]), given(categories=CATEGORIES)) == []


def test_categories_in_another_order_beside_equal_numbers() -> None:
    data = given(numbers=NUMBERS, categories=CATEGORIES)
    turned = given(numbers=NUMBERS[:32], categories=4 - CATEGORIES[:32])
    assert differing(turned, data) == []
    assert in_part(turned, data, data.steps(), 0.5) == ["categories"]


def test_rows_are_equal_up_to_rounding_and_padding() -> None:
    data = given(numbers=NUMBERS, input_ids=WORDS, attention_mask=[np.ones_like(w) for w in WORDS])
    steps = data.steps()
    ids, mask = np.zeros((40, 25), dtype=np.int64), np.zeros((40, 25), dtype=np.int64)
    for row, words in enumerate(WORDS[:40]):
        ids[row, : len(words)], mask[row, : len(words)] = words, 1
    close = torch.from_numpy(NUMBERS[:40]) * (1 + 1e-7)
    batch = {"numbers": close, "input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    assert share_known(of_tensors(batch).keys(steps), data.keys(steps)) > 0.95
    batch["numbers"] = close + 0.01
    assert share_known(of_tensors(batch).keys(steps), data.keys(steps)) == 0


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_rows_are_equal_in_half_precision(kind: torch.dtype) -> None:
    data = rounded(given(numbers=NUMBERS).features, {"numbers": kind})
    batch = of_tensors({"numbers": torch.from_numpy(NUMBERS[:40]).to(kind)})
    assert share_known(batch.keys(data.steps()), data.keys(data.steps())) == 1


def steps(lengths: list[int], longest: int | None = None, factor: float = 1.0) -> list[dict[str, np.ndarray]]:
    """Series of two numbers a step, padded with zeros to `longest`."""
    draw = np.random.default_rng(5)
    rows = [factor * (1 + draw.random((length, 2), dtype=np.float32)) for length in lengths]
    return [{"steps": np.pad(row, [(0, (longest or len(row)) - len(row)), (0, 0)])} for row in rows]


def test_rows_that_differ_in_length_are_equal_with_and_without_padding() -> None:
    lengths = [3, 1, 5, 2] * 5
    padded, plain = (PreparedRows(trimmed(rows, ["steps"])) for rows in (steps(lengths, 7), steps(lengths)))
    assert padded.keys(plain.steps()) == plain.keys(plain.steps())
    assert differing(padded, plain) == []
    assert differing(PreparedRows(trimmed(steps(lengths, 7, 90.0), ["steps"])), plain) == ["steps"]


def test_a_batch_of_one_length_is_compared_with_rows_of_many() -> None:
    assert differing(PreparedRows(steps([4] * 12)), PreparedRows(steps([3, 1, 5, 2] * 5))) == []
    assert differing(PreparedRows(steps([4] * 12, factor=90.0)), PreparedRows(steps([3, 1, 5, 2] * 5))) == ["steps"]
