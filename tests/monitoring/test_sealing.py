"""Sealing survives a kill at every step; torn lines, other days, dead and live processes."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from mlspec.errors import MlspecError
from mlspec.monitoring.data_files import MERGE, day_files
from mlspec.monitoring.log_columns import LogColumns
from mlspec.monitoring.prediction_store import PredictionStore
from mlspec.monitoring.sealing import DAMAGED, Sealer
from mlspec.monitoring.store_folders import StoreFolders
from mlspec.runtime.elastic_spool import ElasticSpool
from tests.monitoring.log_lines import DAY, SIGNATURE, line, segment, text

HOST = socket.gethostname()
NOON = DAY + timedelta(hours=12)


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the code runs for it but `finally`, which a kill would not run either."""


def dead_process() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def store(folder: Path) -> PredictionStore:
    return PredictionStore(folder, SIGNATURE)


def ids(folder: Path) -> list[str]:
    return store(folder).query("SELECT request_id FROM predictions ORDER BY id")["request_id"].to_pylist()


def fill(folder: Path) -> list[str]:
    """Segments of two processes over midnight, one of a dead process, and small files that are due for a merge."""
    for number in range(MERGE - 1):
        segment(folder, [line(number)], f"old-1-1-{number}")
        store(folder).seal()
    midnight = [line(n, DAY + timedelta(hours=23, minutes=59, seconds=50 + n)) for n in range(100, 120)]
    segment(folder, midnight, "a-1-1-1")
    segment(folder, [line(n) for n in range(200, 210)], "b-1-1-1")
    left = segment(folder, [line(n) for n in range(300, 305)], f"{HOST}-{dead_process()}-1-1", is_open=True)
    os.utime(left, (0, 0))
    return [f"r{n}" for n in [*range(MERGE - 1), *range(100, 120), *range(200, 210), *range(300, 305)]]


def test_a_kill_at_each_step_repeats_and_loses_nothing(tmp_path: Path) -> None:
    steps = 0
    expected = fill(tmp_path / "filled")
    while True:
        folder = tmp_path / str(steps)
        shutil.copytree(tmp_path / "filled", folder, copy_function=shutil.copy2)
        left = steps

        def kill(_: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed

        columns = LogColumns.of(SIGNATURE)
        try:
            Sealer(StoreFolders(folder), columns, step=kill).seal()
            break
        except Killed:
            assert ids(folder) == expected, f"killed before step {steps}"
            store(folder).seal()
            assert ids(folder) == expected, f"sealed again after a kill before step {steps}"
            assert not list((folder / "log").rglob("*.jsonl*"))
        steps += 1
    assert steps >= 15


def test_a_process_killed_while_it_seals_leaves_no_half_file(tmp_path: Path) -> None:
    """With a real SIGKILL, after the Parquet file and before the segment is deleted."""
    segment(tmp_path, [line(n) for n in range(10)])
    code = (
        "import os, signal, sys; from pathlib import Path; from tests.monitoring.log_lines import DAY, SIGNATURE\n"
        "from mlspec.monitoring.sealing import Sealer; from mlspec.monitoring.log_columns import LogColumns\n"
        "from mlspec.monitoring.store_folders import StoreFolders\n"
        "def step(name):\n    if name == 'delete': os.kill(os.getpid(), signal.SIGKILL)\n"
        "Sealer(StoreFolders(Path(sys.argv[1])), LogColumns.of(SIGNATURE), step=step).seal()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(ids(tmp_path)) == 10
    assert store(tmp_path).seal().rows == 0
    assert (len(ids(tmp_path)), list((tmp_path / "log").rglob("*.jsonl"))) == (10, [])


def test_torn_and_corrupt_lines_are_counted_and_skipped(tmp_path: Path) -> None:
    torn = text([line(3)]).encode()[:70]
    content = text([line(1), line(2)]).encode() + b'\0\0\0\n[1]\n\xff\xfe{}\n{"id": 5}\n' + torn
    segment(tmp_path, content)
    segment(tmp_path, b"not json\n", "other-1-1-1")
    sealed = store(tmp_path).seal()
    assert (sealed.rows, sealed.corrupt, ids(tmp_path)) == (2, 5, ["r1", "r2"])
    assert [f.name for f in (tmp_path / "log").rglob("*.jsonl*")] == [f"other-1-1-1.jsonl{DAMAGED}"]
    assert store(tmp_path).seal().segments == 0


def test_unusual_values_do_not_stop_the_sealer(tmp_path: Path) -> None:
    odd = [
        line(1, inputs={"age": 10**400, "town": 5, "sentence": "\ud800", "new": [1, {"a": None}]}, latency_ms="fast"),
        line(2, inputs=[], prediction=None, status=2**70, row=1.0),
        line(3, inputs={"age": float("nan"), "town": ""}),
    ]
    segment(tmp_path, odd)
    assert store(tmp_path).seal().rows == 3
    table = store(tmp_path).query(
        'SELECT "input.age" AS age, "input.town" AS town, "input.new" AS new FROM predictions ORDER BY id'
    )
    assert table.to_pylist() == [
        {"age": None, "town": "5", "new": '[1, {"a": null}]'},
        {"age": None, "town": None, "new": None},
        {"age": None, "town": "", "new": None},
    ]


def test_open_segments_are_read_and_those_of_dead_processes_closed(tmp_path: Path) -> None:
    segment(tmp_path, [line(1)], f"{HOST}-{os.getpid()}-1-1", is_open=True)
    os.utime(segment(tmp_path, [line(2)], f"{HOST}-{dead_process()}-1-1", is_open=True), (0, 0))
    segment(tmp_path, [line(3)], "far-away-9-1-1", is_open=True)
    sealed = store(tmp_path).seal()
    assert (sealed.closed, sealed.rows) == (1, 1)
    assert sorted(f.name for f in (tmp_path / "log").rglob("*.open")) == [
        "far-away-9-1-1.jsonl.open",
        f"{HOST}-{os.getpid()}-1-1.jsonl.open",
    ]
    assert ids(tmp_path) == ["r1", "r2", "r3"]


def test_rows_go_to_the_day_of_their_time(tmp_path: Path) -> None:
    """The clock jumped to another day and year; a time in another zone."""
    moments = ["2026-11-27T10:00:00Z", "2020-01-01T00:00:00Z", "2031-05-05T05:05:05Z", "2026-11-28T01:30:00+02:00"]
    segment(tmp_path, [line(n, time=moment) for n, moment in enumerate(moments)])
    sealed = store(tmp_path).seal()
    assert (sealed.rows, sealed.other_day) == (4, 2)
    days = {
        d.isoformat(): len(day_files(StoreFolders(tmp_path), d).current)
        for d in StoreFolders(tmp_path).days(tmp_path / "data")
    }
    assert days == {"2020-01-01": 1, "2026-11-27": 1, "2031-05-05": 1}
    rows = store(tmp_path).rows(DAY, DAY + timedelta(1), ["request_id"]).read_all()
    assert rows["request_id"].to_pylist() == ["r0", "r3"]


def test_late_segments_of_a_sealed_day_join_it_in_order(tmp_path: Path) -> None:
    segment(tmp_path, [line(2), line(4)], "a-1-1-1")
    store(tmp_path).seal()
    segment(tmp_path, [line(1), line(3)], "a-1-1-2")
    store(tmp_path).seal()
    rows = store(tmp_path).rows(DAY, NOON, ["request_id"]).read_all()
    assert rows["request_id"].to_pylist() == ["r1", "r2", "r3", "r4"]


def test_small_files_are_merged(tmp_path: Path) -> None:
    for number in range(2 * MERGE + 3):
        segment(tmp_path, [line(number)], f"a-1-1-{number}")
        store(tmp_path).seal()
    assert len(list((tmp_path / "data").rglob("*.parquet"))) < MERGE
    assert len(ids(tmp_path)) == 2 * MERGE + 3


def test_two_sealers_at_once(tmp_path: Path) -> None:
    segment(tmp_path, [line(n) for n in range(20)])
    inside, proceed = threading.Event(), threading.Event()

    def step(_: str) -> None:
        inside.set()
        assert proceed.wait(30)

    first = Sealer(StoreFolders(tmp_path), LogColumns.of(SIGNATURE), step=step)
    thread = threading.Thread(target=first.seal)
    thread.start()
    assert inside.wait(30)
    assert store(tmp_path).seal().busy
    proceed.set()
    thread.join()
    assert len(ids(tmp_path)) == 20


def test_nothing_is_deleted_under_a_query(tmp_path: Path) -> None:
    segment(tmp_path, [line(n) for n in range(20)])
    reader = store(tmp_path).rows(DAY, NOON, ["request_id"])
    first = reader.read_next_batch()
    assert store(tmp_path).seal().rows == 20
    assert store(tmp_path).forget(NOON.date() + timedelta(1)) == 0
    assert len(list((tmp_path / "log").rglob("*.jsonl"))) == 1
    assert first.num_rows + sum(batch.num_rows for batch in reader) == 20
    assert len(ids(tmp_path)) == 20
    store(tmp_path).seal()
    assert (len(ids(tmp_path)), list((tmp_path / "log").rglob("*.jsonl"))) == (20, [])


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    segment(tmp_path, [line(n) for n in range(2000)])
    code = (
        "import sys; from pathlib import Path; from mlspec.errors import MlspecError\n"
        "from tests.monitoring.log_lines import DAY, SIGNATURE; from mlspec.monitoring.prediction_store import PredictionStore\n"
        "try:\n    PredictionStore(Path(sys.argv[1]), SIGNATURE).seal()\n"
        "except MlspecError as error:\n    print(error.message, '|', error.help); raise SystemExit(4)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, preexec_fn=limit_files
    )
    assert done.returncode == 4, done.stderr
    assert "cannot write" in done.stdout
    assert "free disk space" in done.stdout
    assert [f for f in (tmp_path / "data").rglob("*") if f.is_file()] == []
    assert len(ids(tmp_path)) == 2000
    assert store(tmp_path).seal().rows == 2000


def test_days_after_the_retention_are_removed(tmp_path: Path) -> None:
    segment(tmp_path, [line(1), line(2, DAY + timedelta(days=1))])
    store(tmp_path).seal()
    assert store(tmp_path).forget(DAY.date() + timedelta(1)) == 1
    assert ids(tmp_path) == ["r2"]


def test_documents_for_elasticsearch_are_removed_with_their_day(tmp_path: Path) -> None:
    """Refused ones, batches that wait, whoever has claimed them and whenever they were tried last; and counts."""
    dated = [
        tmp_path / folder / f"{DAY.date() + timedelta(days)}" / "1-a.jsonl"
        for folder in ("refused", "dropped")
        for days in (0, 1)
    ]
    spool = ElasticSpool(tmp_path, 10_000)
    for path in dated:
        path.parent.mkdir(parents=True)
        path.write_text("{}\n")
    spool.put([b"new\n"])
    (new,) = spool.folder.iterdir()
    old = f"{int(DAY.timestamp()) * 10**9:020d}"
    left = [spool.folder / f"{old}-1-{name}" for name in ("0.jsonl", "1.jsonl.2-b")]
    for path in left:
        path.write_text("{}\n")
    (spool.folder / "notes").write_text("not ours")
    store(tmp_path).forget(DAY.date())
    assert all(path.exists() for path in (*dated, *left))
    assert store(tmp_path).forget(DAY.date() + timedelta(1)) == 1
    assert [path.exists() for path in dated] == [False, True, False, True]
    assert sorted(path.name for path in spool.folder.iterdir()) == sorted([new.name, "notes"])


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    segment(tmp_path, [line(1)])
    store(tmp_path).seal()
    (file,) = (tmp_path / "data").rglob("*.parquet")
    file.write_bytes(b"PAR1 torn")
    with pytest.raises(MlspecError, match=file.name):
        ids(tmp_path)
