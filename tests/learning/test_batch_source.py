"""The batches of a run are those of collating row by row, wherever they come from."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mlspec.learning import packed_rows  # noqa: E402
from mlspec.learning.batch_source import Prefetched, source  # noqa: E402
from mlspec.learning.batches import Batch, Buckets, Collate, lengths  # noqa: E402
from mlspec.learning.padding import Padding, padding  # noqa: E402
from mlspec.learning.split_rows import Rows  # noqa: E402
from mlspec.runtime.preprocess import Preprocess, load  # noqa: E402
from mlspec.runtime.preprocess.fit import fit  # noqa: E402

TEXTS = ["a cat", "", "the sailors rode the breeze clear of the rocks", "rain", "it is raining cats and dogs"] * 5
NUMBERS = [float(at) if at % 4 else None for at in range(len(TEXTS))]
PICTURES = [np.full((3, 3), at, dtype=np.uint8) for at in range(len(TEXTS))]
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "text": ({"text": TEXTS}, {"text": {"type": "text"}}),
    "table": (
        {"n": NUMBERS, "c": ["x", "y", None, "x", "y"] * 5},
        {"n": {"type": "number"}, "c": {"type": "category", "values": ["x", "y"]}},
    ),
    "image": ({"i": PICTURES}, {"i": {"type": "image", "channels": 1, "height": 3, "width": 3}}),
    "text and numbers": ({"text": TEXTS, "n": NUMBERS}, {"text": {"type": "text"}, "n": {"type": "number"}}),
}
ACCELERATOR = torch.device("meta")


def prepared(kind: str, folder: Path) -> tuple[Rows, Preprocess]:
    columns, inputs = CASES[kind]
    fit(columns, inputs, folder, max_length=12, vocab_size=300)
    preprocess = load(folder)
    rows = [{name: values[at] for name, values in columns.items()} for at in range(len(TEXTS))]
    return Rows(None, preprocess.features(rows), np.arange(len(rows))), preprocess


def equal(one: Batch, other: Batch) -> bool:
    tensors = [(one[0][name], other[0][name]) for name in other[0]] + [(one[1], other[1])]
    return list(one[0]) == list(other[0]) and all(a.dtype == b.dtype and torch.equal(a, b) for a, b in tensors)


def same(batches: Iterable[Batch], others: Iterable[Batch]) -> bool:
    return all(equal(one, other) for one, other in zip(batches, others, strict=True))


def collated(rows: Rows, preprocess: Preprocess, sampler: Buckets, padding: Padding) -> list[Batch]:
    collate = Collate(preprocess, padding)
    return [collate([rows[row] for row in batch]) for batch in sampler]


@pytest.mark.parametrize("kind", CASES)
def test_a_batch_of_packed_rows_is_that_of_collating(kind: str, tmp_path: Path) -> None:
    rows, preprocess = prepared(kind, tmp_path)
    sampler = Buckets(lengths(rows, preprocess), 4, 1)
    batches = list(source(rows, preprocess, sampler))
    assert len(batches) == len(sampler)
    assert same(batches, collated(rows, preprocess, sampler, Padding()))


@pytest.mark.parametrize("size", [0, 10])
def test_rows_that_exceed_the_memory_are_not_packed(size: int, tmp_path: Path) -> None:
    rows, preprocess = prepared("text", tmp_path)
    pads = padding(preprocess, torch.device("cpu"), True)
    assert pads is not None
    assert packed_rows.packed(rows, preprocess, pads, memory=size) is None


@pytest.mark.parametrize("memory", [None, 0])
def test_on_an_accelerator_texts_are_padded_to_a_multiple_of_eight_within_the_limit(
    memory: int | None, tmp_path: Path
) -> None:
    rows, preprocess = prepared("text and numbers", tmp_path)
    pads = padding(preprocess, ACCELERATOR, True)
    assert pads is not None
    assert [pads.width(length) for length in (0, 1, 8, 9, 12)] == [8, 8, 8, 12, 12]
    sampler = Buckets(lengths(rows, preprocess), 4, 1)
    tensors = packed_rows.packed(rows, preprocess, pads, memory)
    whole = collated(rows, preprocess, sampler, pads)
    assert {batch[0]["input_ids"].shape[1] for batch in whole} == {8, 12}
    if tensors is not None:
        assert same(map(tensors.__getitems__, sampler), whole)


def test_the_texts_of_a_projects_own_module_are_only_padded_to_the_longest(tmp_path: Path) -> None:
    _, preprocess = prepared("text", tmp_path)
    pads = padding(preprocess, ACCELERATOR, False)
    assert pads is not None
    assert pads.width(9) == 9


class Failing(Sequence[Any]):
    """A dataset whose row 5 cannot be read."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: Any) -> Any:
        if index == 5:
            raise ValueError("row 5 is broken")
        return torch.tensor(index)


def batch(rows: Sequence[Any]) -> Batch:
    return {"x": torch.stack(list(rows))}, torch.zeros(len(rows))


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "mlspec-batches"]


def ahead(dataset: Any) -> Iterator[Batch]:
    return iter(Prefetched(dataset, batch_size=2, collate_fn=batch))


def test_batches_prepared_ahead_keep_their_order() -> None:
    assert [b[0]["x"].tolist() for b in ahead(list(map(torch.tensor, range(5))))] == [[0, 1], [2, 3], [4]]
    assert not threads()


def test_an_error_in_the_thread_is_raised_where_batches_are_read() -> None:
    batches = ahead(Failing())
    assert [next(batches)[0]["x"].tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="row 5 is broken"):
        next(batches)
    assert not threads()


def test_an_abandoned_iteration_ends_its_thread() -> None:
    batches = ahead(list(map(torch.tensor, range(1000))))
    next(batches)
    assert threads()
    batches.close()  # type: ignore[attr-defined]
    assert not threads()
