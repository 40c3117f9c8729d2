"""Properties of the split: it loses nothing, keeps to the shares, and depends on seed and rows alone."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.errors import StageError
from mlspec.parts.data.raw_rows import Piece, Raw, joined
from mlspec.parts.data.split import divided
from tests.parts.data.project import spec

SplitRows = dict[str, list[int]]


def raw(targets: list[int], groups: list[Any] | None = None) -> Raw:
    table = pa.table({"label": pa.array(targets, pa.int64()), "who": pa.array(groups or [None] * len(targets))})
    return joined([Piece("rows.csv", table, range(1, len(targets) + 1))], ["label"])


def split(targets: list[int], groups: list[Any] | None = None, **how: Any) -> SplitRows:
    result, failures = divided(spec(split=how), raw(targets, groups))
    assert not failures
    return result


CLASSES = st.lists(st.integers(0, 3), min_size=40, max_size=200)
SHARES = st.sampled_from([0.1, 0.15, 0.2, 0.25, 0.3])


@given(CLASSES, SHARES, SHARES, st.integers(0, 99), st.booleans())
@settings(deadline=None, max_examples=60)
def test_every_row_is_in_one_split_and_the_sizes_keep_to_the_shares(
    targets: list[int], valid: float, test: float, seed: int, stratify: bool
) -> None:
    result = split(targets, valid=valid, test=test, seed=seed, stratify=stratify)
    assert sorted(row for rows in result.values() for row in rows) == list(range(len(targets)))
    assert all(rows and rows == sorted(rows) for rows in result.values())
    for name, share in (("valid", valid), ("test", test)):
        assert abs(len(result[name]) - share * len(targets)) <= (1 if stratify else 0.5)


@given(CLASSES, st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_a_stratified_split_keeps_the_shares_of_each_class(targets: list[int], seed: int) -> None:
    result = split(targets, valid=0.2, test=0.2, seed=seed)
    whole = Counter(targets)
    for name in ("valid", "test"):
        for target, count in Counter(targets[row] for row in result[name]).items():
            assert abs(count - 0.2 * whole[target]) < 1.5
    assert {targets[row] for row in result["train"]} == set(targets)


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), min_size=60, max_size=150), st.booleans())
@settings(deadline=None, max_examples=60)
def test_a_group_stays_together(groups: list[int | None], stratify: bool) -> None:
    targets = [i % 2 for i in range(len(groups))]
    try:
        result = split(targets, groups, valid=0.2, test=0.2, group="who", stratify=stratify)
    except StageError:
        assert len(set(groups)) < 8
        return
    homes: dict[int, set[str]] = {}
    for name, rows in result.items():
        for row in rows:
            if groups[row] is not None:
                homes.setdefault(groups[row], set()).add(name)
    assert all(len(names) == 1 for names in homes.values())
    largest = max(Counter(groups[row] for row in range(len(groups)) if groups[row] is not None).values(), default=1)
    assert abs(len(result["valid"]) - 0.2 * len(groups)) <= largest + 1


def test_the_split_is_the_same_on_every_machine() -> None:
    result = split([i % 3 for i in range(30)], valid=0.2, test=0.1, seed=7)
    assert result["valid"] == [2, 5, 10, 18, 27, 28]
    assert result["test"] == [4, 21, 23]


def test_another_seed_is_another_split() -> None:
    targets = [i % 2 for i in range(50)]
    created = {json.dumps(split(targets, valid=0.2, test=0.2, seed=seed)) for seed in range(20)}
    assert len(created) == 20


def test_rows_that_are_added_leave_most_others_where_they_were() -> None:
    few, more = (split([i % 2 for i in range(n)], valid=0.2, test=0.2) for n in (200, 202))
    kept = sum(len(set(few[name]) & set(more[name])) for name in few)
    assert kept >= 196


def test_a_class_with_one_row_is_trained_on() -> None:
    targets = [0] * 20 + [1, 2, 3, 4, 5, 6, 7, 8]
    assert set(range(20, 28)) <= set(split(targets, valid=0.2, test=0.2)["train"])


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(StageError, match=r"add up to 1\.4, so no rows are left for train"):
        split([0, 1] * 50, valid=0.9, test=0.5)


@pytest.mark.parametrize("rows", [1, 2])
def test_too_few_rows_are_refused(rows: int) -> None:
    with pytest.raises(StageError, match=r"has no rows for (valid|test): the data has (1 row|2 rows)"):
        split([0] * rows, valid=0.1, test=0.1)
