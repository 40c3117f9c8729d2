"""Which rows are computed together."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlspec.runtime.batching import OVERHEAD, BatchJob, Item, Waiting, together
from mlspec.runtime.service import PendingRequest, PredictWork, Request


def job(*lengths: int) -> BatchJob:
    return BatchJob.of(
        PendingRequest(
            Request("POST", "/predict"), 0.0, {}, PredictWork([(n, f"row of {n}") for n in lengths], json.dumps)
        )
    )


def items(*lengths: int) -> list[Item]:
    return [Item(0, n, job(length), 0, length, None) for n, length in enumerate(lengths)]


def lengths(chosen: list[Item]) -> list[int]:
    return [item.length for item in chosen]


def test_rows_of_similar_length_form_a_batch_and_the_first_is_among_them() -> None:
    assert lengths(together(items(10, 60, 11, 9, 61, 62, 10), 16)) == [9, 10, 10, 11]
    assert lengths(together(items(60, 10, 61, 9), 16)) == [60, 61]
    assert lengths(together(items(10, 60), 16)) == [10]


def test_short_rows_form_a_batch_where_a_run_costs_more_than_padding() -> None:
    assert lengths(together(items(3, 3 + OVERHEAD), 16)) == [3, 3 + OVERHEAD]


def test_no_more_than_fit() -> None:
    assert len(together(items(*[5] * 30), 16)) == 16
    assert lengths(together(items(4, 5), 1)) == [4]


def test_a_request_of_many_rows_lets_others_pass() -> None:
    waiting = Waiting()
    many, late = job(*[5] * 100), job(5)
    waiting.add(many)
    waiting.take(4)
    waiting.add(late)
    assert late in [item.job for item in waiting.take(4)]


def test_requests_are_answered_in_order_of_arrival() -> None:
    waiting = Waiting()
    jobs = [job(50 * n) for n in range(1, 6)]
    for one in jobs:
        waiting.add(one)
    assert [waiting.take(1)[0].job for _ in jobs] == jobs


def test_rows_of_a_disconnected_client_are_skipped() -> None:
    waiting = Waiting()
    gone, there = job(5, 5), job(500)
    waiting.add(gone)
    waiting.add(there)
    gone.cancelled = True
    taken = [*waiting.take(16), *waiting.take(16)]
    assert [item.job for item in taken] == [there]
    assert len(waiting) == 0
    assert waiting.take(16) == []


@given(st.lists(st.lists(st.integers(0, 128), min_size=1, max_size=90), max_size=8), st.integers(1, 16))
def test_every_row_is_taken_once(requests: list[list[int]], most: int) -> None:
    waiting, taken = Waiting(), []
    jobs = [job(*row_lengths) for row_lengths in requests]
    for one in jobs:
        waiting.add(one)
    while len(waiting):
        some = waiting.take(most)
        assert 0 < len(some) <= most
        taken += some
    result: list[Any] = sorted((jobs.index(item.job), item.position, item.length) for item in taken)
    assert result == [
        (n, at, length) for n, row_lengths in enumerate(requests) for at, length in enumerate(row_lengths)
    ]
