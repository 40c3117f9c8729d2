from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlspec.runtime.elastic_spool import ElasticSpool, SpoolFullError


def test_batches_are_taken_in_order_and_once(tmp_path: Path) -> None:
    one, other = ElasticSpool(tmp_path, 100), ElasticSpool(tmp_path, 100)
    one.put([b"1\n", b"2\n"])
    other.put([b"3\n"])
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


def test_the_bound_holds_for_all_processes_together(tmp_path: Path) -> None:
    ElasticSpool(tmp_path, 10).put([b"12345\n"])
    with pytest.raises(SpoolFullError):
        ElasticSpool(tmp_path, 10).put([b"12345\n"])
    assert ElasticSpool(tmp_path, 10).size() == 6


def test_what_a_killed_process_has_claimed_is_sent_by_another(tmp_path: Path) -> None:
    killed, next_ = ElasticSpool(tmp_path, 100), ElasticSpool(tmp_path, 100)
    killed.put([b"1\n"])
    claimed = killed.take()
    assert claimed is not None
    next_.recover()
    assert next_.take() is None
    os.utime(claimed.path, (0, 0))
    next_.recover()
    again = next_.take()
    assert again is not None
    assert again.lines == [b"1\n"]


@pytest.mark.parametrize("recovers", [True, False], ids=["at-the-start", "when-it-is-full"])
def test_what_a_killed_process_did_not_finish_takes_up_no_space(tmp_path: Path, recovers: bool) -> None:
    spool = ElasticSpool(tmp_path, 10)
    spool.folder.mkdir()
    left, young = (spool.folder / f"1-{name}.partial" for name in ("killed", "young"))
    left.write_bytes(b"123456")
    os.utime(left, (0, 0))
    young.write_bytes(b"1")
    if recovers:
        spool.recover()
        assert spool.size() == 1
    spool.put([b"12345\n"])
    assert not left.exists()
    assert young.exists()


def test_a_folder_that_is_missing_is_empty(tmp_path: Path) -> None:
    spool = ElasticSpool(tmp_path / "none", 100)
    spool.recover()
    assert (spool.take(), spool.size()) == (None, 0)
