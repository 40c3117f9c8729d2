from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.runtime.elastic_spool import SILENCE, ElasticSpool, SpoolFullError
from tests.runtime.answered import largest_file


def test_batches_are_taken_in_order_and_once(tmp_path: Path) -> None:
    one, other = ElasticSpool(tmp_path, 100), ElasticSpool(tmp_path, 100)
    one.put([b"1\n"])
    one.put([b"2\n"])
    one.complete()
    other.put([b"3\n"])
    other.complete()
    first, second = other.take(), one.take()
    assert first is not None
    assert second is not None
    assert (first.lines, second.lines) == ([b"1\n", b"2\n"], [b"3\n"])
    assert one.take() is None
    first.done()
    second.release()
    again = other.take()
    assert again is not None
    assert again.lines == [b"3\n"]


def test_many_small_writes_are_few_batches(tmp_path: Path) -> None:
    spool = ElasticSpool(tmp_path, 10**6)
    for _ in range(2_500):
        spool.put([b"1\n"])
    assert len(list(spool.folder.iterdir())) == 3
    sizes = []
    while (batch := spool.take()) is not None:
        sizes.append(len(batch.lines))
    assert sizes == [1000, 1000, 500]


def test_the_bound_holds_for_all_processes_together(tmp_path: Path) -> None:
    ElasticSpool(tmp_path, 10).put([b"12345\n"])
    with pytest.raises(SpoolFullError):
        ElasticSpool(tmp_path, 10).put([b"12345\n"])
    assert ElasticSpool(tmp_path, 10).size() == 6


@pytest.mark.parametrize("written", [True, False], ids=["while-it-wrote", "while-it-sent"])
def test_what_a_killed_process_has_claimed_is_sent_by_another(tmp_path: Path, written: bool) -> None:
    now = [0.0]
    killed, next_ = ElasticSpool(tmp_path, 100), ElasticSpool(tmp_path, 100, lambda: now[0])
    killed.put([b"1\n"])
    if not written:
        assert killed.take() is not None
    next_.tend()
    assert next_.take() is None
    now[0] += SILENCE - 1
    next_.tend()
    assert next_.take() is None
    now[0] += 30
    next_.tend()
    again = next_.take()
    assert again is not None
    assert again.lines == [b"1\n"]


def test_what_a_living_process_sends_for_hours_is_its_own(tmp_path: Path) -> None:
    now = [0.0]
    living, other = (ElasticSpool(tmp_path, 100, lambda: now[0]) for _ in range(2))
    living.put([b"1\n"])
    batch = living.take()
    assert batch is not None
    living.put([b"2\n"])
    for _ in range(100):
        now[0] += 60
        living.tend()
        other.tend()
        assert other.take() is None
    batch.release()
    assert other.take() is not None


def test_the_incomplete_line_of_a_killed_process_is_skipped(tmp_path: Path) -> None:
    spool = ElasticSpool(tmp_path, 100)
    spool.folder.mkdir()
    (spool.folder / "1-a-0.jsonl").write_bytes(b'{"to')
    (spool.folder / "2-a-0.jsonl").write_bytes(b"1\n2")
    batch = spool.take()
    assert batch is not None
    assert batch.lines == [b"1\n"]
    batch.done()
    assert spool.size() == 0


def test_a_write_on_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    spool = ElasticSpool(tmp_path, 100)
    spool.put([b"1\n"])
    with largest_file(4), pytest.raises(OSError, match=r"No space|too large"):
        spool.put([b"2\n", b"3\n", b"4\n"])
    spool.put([b"5\n"])
    batch = spool.take()
    assert batch is not None
    assert batch.lines == [b"1\n", b"5\n"]


def test_a_folder_that_is_missing_is_empty(tmp_path: Path) -> None:
    spool = ElasticSpool(tmp_path / "none", 100)
    spool.tend()
    assert (spool.take(), spool.size()) == (None, 0)
