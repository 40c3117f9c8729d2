"""Rows to batches: each row once, none lost, no training batch of one row where it can be helped."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from mlspec.learning.batches import Buckets, sizes

COUNTS = st.integers(1, 400)
BATCH = st.integers(1, 40)
WORLD = st.integers(1, 5)


def epoch(rows: int, batch: int, world: int, shuffle: bool, drop: bool = False) -> list[list[list[int]]]:
    """The batches of each process in one epoch. Lengths differ, so that sorting within pools is at work."""
    lengths = [(7 * row) % 13 for row in range(rows)]
    samplers = [Buckets(lengths, batch, 3, rank, world, shuffle, drop) for rank in range(world)]
    results = [sampler.batches(1) for sampler in samplers]
    assert [len(sampler) for sampler in samplers] == [len(batches) for batches in results]
    assert len({len(batches) for batches in results}) == 1
    return results


def processes(rows: int, batch: int, world: int) -> list[Buckets]:
    return [Buckets([1] * rows, batch, 3, rank, world, True, True) for rank in range(world)]


def flat(processes: list[list[list[int]]]) -> list[int]:
    return sorted(row for batches in processes for batch in batches for row in batch)


@given(COUNTS, BATCH, st.booleans())
def test_one_process_gets_every_row_once(rows: int, batch: int, shuffle: bool) -> None:
    assert flat(epoch(rows, batch, 1, shuffle)) == list(range(rows))


@given(COUNTS, BATCH, WORLD)
def test_several_processes_train_on_every_row(rows: int, batch: int, world: int) -> None:
    assert set(flat(epoch(rows, batch, world, True))) == set(range(rows))


@given(COUNTS, BATCH, WORLD, st.booleans())
@settings(max_examples=50, deadline=None)
def test_the_number_of_processes_changes_no_batch_of_a_training(rows: int, batch: int, world: int, drop: bool) -> None:
    lengths = [(7 * row) % 13 for row in range(rows)]
    together = [Buckets(lengths, batch, 3, rank, world, True, drop) for rank in range(world)]
    shares = [list(zip(sampler.batches(1), sampler.rows(1), strict=True)) for sampler in together]
    for at, whole in enumerate(epoch(rows, batch, 1, True, drop)[0]):
        assert {rows for _, (_, rows) in (process[at] for process in shares)} == {len(whole)}
        counted = [share[:count] for share, (count, _) in (process[at] for process in shares)]
        assert sorted(row for share in counted for row in share) == sorted(whole)
        assert max(map(len, counted)) - min(len(share) for share in counted if share) <= 1


@given(COUNTS, BATCH, WORLD)
def test_several_processes_measure_every_row_once(rows: int, batch: int, world: int) -> None:
    result = flat(epoch(rows, batch, world, False))
    assert set(result) == set(range(rows))
    assert rows < world or len(result) == rows


@given(COUNTS, BATCH, WORLD)
def test_no_training_batch_has_one_row_where_two_are_there(rows: int, batch: int, world: int) -> None:
    if rows > 1 and batch > 1:
        assert min(len(b) for batches in epoch(rows, batch, world, True) for b in batches) > 1


@given(COUNTS, BATCH, WORLD)
@settings(max_examples=50)
def test_drop_last_leaves_full_batches_and_never_none(rows: int, batch: int, world: int) -> None:
    results = [
        sum(own for own, _ in counts)
        for counts in zip(*(s.rows(1) for s in processes(rows, batch, world)), strict=True)
    ]
    assert set(results) == {batch if rows >= batch else rows}


@pytest.mark.parametrize(
    ("rows", "batch", "drop", "expected"),
    [
        (33, 32, False, [33]),
        (65, 32, False, [32, 33]),
        (34, 32, False, [32, 2]),
        (65, 32, True, [32, 32]),
        (34, 32, True, [32]),
        (5, 32, True, [5]),
        (1, 32, False, [1]),
        (3, 1, False, [1, 1, 1]),
    ],
)
def test_sizes_of_training_batches(rows: int, batch: int, drop: bool, expected: list[int]) -> None:
    assert sizes(rows, batch, True, drop) == expected


def test_validation_keeps_its_last_batch_of_one_row() -> None:
    assert sizes(33, 32, False, True) == [32, 1]
