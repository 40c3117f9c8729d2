"""The largest batch that fits: doubled, halved, bisected, and never beyond the limit."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from mlspec.learning.batch_search import LongestRows, search  # noqa: E402


@pytest.mark.parametrize(
    ("mode", "start", "limit", "memory", "expected"),
    [
        ("power", 32, 8192, 300, (256, True)),
        ("power", 32, 200, 300, (128, False)),
        ("power", 32, 8192, 20, (16, True)),
        ("power", 32, 24, 300, (24, False)),
        ("power", 32, 8192, 0, None),
        ("binsearch", 32, 8192, 300, (300, True)),
        ("binsearch", 32, 200, 300, (200, False)),
        ("binsearch", 32, 400, 300, (300, True)),
        ("binsearch", 32, 8192, 20, (20, True)),
        ("binsearch", 32, 32, 32, (32, False)),
        ("binsearch", 1, 8192, 1, (1, True)),
        ("binsearch", 7, 8192, 0, None),
    ],
)
def test_the_largest_batch_is_found(mode: str, start: int, limit: int, memory: int, expected: object) -> None:
    tried: list[int] = []

    def fits(size: int) -> bool:
        tried.append(size)
        return size <= memory

    assert search(fits, mode, start, limit) == expected  # type: ignore[arg-type]
    assert len(tried) == len(set(tried)) < 26
    assert all(1 <= size <= limit for size in tried)


def test_a_trial_has_the_longest_rows() -> None:
    rows = LongestRows([3, 9, 1, 7], 3, 2)
    assert list(rows) == [[1, 3, 0], [1, 3, 0]]
    assert len(rows) == 2
    assert next(iter(LongestRows([3, 9], 5, 1))) == [1, 0, 1, 0, 1]
