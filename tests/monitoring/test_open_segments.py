"""Segments of writers on other hosts, whose clocks differ or jump: a live one is never closed, a dead one is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlspec.monitoring.log_columns import LogColumns
from mlspec.monitoring.open_segments import SILENCE, Machine
from mlspec.monitoring.prediction_store import PredictionStore
from mlspec.monitoring.retention_clock import retention_time
from mlspec.monitoring.sealing import Sealed, Sealer
from mlspec.monitoring.store_folders import StoreFolders
from tests.monitoring.log_lines import DAY, SIGNATURE, line, segment, text

WRITER = """\
import sys
from pathlib import Path
from mlspec.runtime.log_segments import LogSegments

log = LogSegments(Path(sys.argv[1]))
for line in sys.stdin.buffer:
    log.write("2026-11-27", [line]) if line.strip() else log.complete()
    print("done", flush=True)
"""


class Writer:
    """A server process that writes to the folder."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def write(self, number: int) -> None:
        self._tell(text([line(number)]))

    def complete(self) -> None:
        self._tell("\n")

    def _tell(self, words: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(words)
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    started = Writer(tmp_path)
    yield started
    started.close()


def sealed(folder: Path, up: float, boot: str = "one") -> Sealed:
    """What a sealer on another host does, `up` seconds after that host started."""
    machine = Machine("near", boot, up)
    return Sealer(StoreFolders(folder), LogColumns.of(SIGNATURE), machine=lambda: machine).seal()


def ids(folder: Path) -> list[str]:
    store = PredictionStore(folder, SIGNATURE)
    return store.query("SELECT request_id FROM predictions ORDER BY id")["request_id"].to_pylist()


def opened(folder: Path) -> list[Path]:
    return [*(folder / "log").rglob("*.open")]


@pytest.mark.parametrize("shift", [timedelta(0), timedelta(hours=-3), timedelta(days=-400), timedelta(days=400)])
def test_a_live_writer_whose_clock_differs_or_jumps_loses_nothing(
    writer: Writer, tmp_path: Path, shift: timedelta
) -> None:
    """The clock of its host is also that of its files; between two looks of the sealer no ten minutes pass."""
    for number in range(3):
        writer.write(number)
        moment = (datetime.now(UTC) + shift * (number + 1)).timestamp()
        (file,) = opened(tmp_path)
        os.utime(file, (moment, moment))
        assert sealed(tmp_path, up=60.0 * number).closed == 0
    writer.complete()
    assert sealed(tmp_path, up=200).rows == 3
    assert ids(tmp_path) == ["r0", "r1", "r2"]


def test_a_segment_that_does_not_change_for_ten_minutes_is_closed(tmp_path: Path) -> None:
    file = segment(tmp_path, [line(1)], "far-9-1-1", is_open=True)
    assert [sealed(tmp_path, up=up).closed for up in (0, SILENCE - 1)] == [0, 0]
    with file.open("a") as appended:
        appended.write(text([line(2)]))
    assert [sealed(tmp_path, up=SILENCE + up).closed for up in (1, SILENCE, SILENCE + 2)] == [0, 0, 1]
    assert ids(tmp_path) == ["r1", "r2"]
    assert opened(tmp_path) == []


@pytest.mark.parametrize("boots", [("one", "two", "three"), ("", "", "")], ids=["named", "unnamed"])
def test_looks_of_different_machines_are_compared_by_the_time_of_the_folder(
    tmp_path: Path, boots: tuple[str, str, str]
) -> None:
    """A scheduled job on a new machine each time; some systems do not name a start."""
    segment(tmp_path, [line(1)], "far-9-1-1", is_open=True)
    assert [sealed(tmp_path, up=up, boot=boot).closed for up, boot in ((5, boots[0]), (5000, boots[1]))] == [0, 0]
    state = tmp_path / "state" / "open-segments.json"
    looks = json.loads(state.read_text())
    looks["segments"]["far-9-1-1.jsonl"]["folder_time"] -= SILENCE + 1
    state.write_text(json.dumps(looks))
    assert sealed(tmp_path, up=5, boot=boots[2]).closed == 1


def test_a_process_that_only_has_the_id_of_the_writer_is_not_the_writer(tmp_path: Path) -> None:
    """A container that was restarted: the same host name and the same process id."""
    machine = Machine("near", "one", 0.0)
    segment(tmp_path, [line(1)], f"{machine.host}-{os.getpid()}-1-1", is_open=True)
    assert [sealed(tmp_path, up=up).closed for up in (0, SILENCE + 1)] == [0, 1]


def test_a_writer_in_another_container_with_the_same_host_name_is_left_alone(tmp_path: Path) -> None:
    """Its process id means nothing here, and may be that of no process."""
    file = segment(tmp_path, [line(1)], "near-4194304-1-1", is_open=True)
    assert sealed(tmp_path, up=0).closed == 0
    os.utime(file, (0, 0))
    assert sealed(tmp_path, up=1).closed == 1


def test_a_damaged_memory_starts_again(tmp_path: Path) -> None:
    segment(tmp_path, [line(1)], "far-9-1-1", is_open=True)
    sealed(tmp_path, up=0)
    (tmp_path / "state" / "open-segments.json").write_text("{")
    assert [sealed(tmp_path, up=SILENCE + up).closed for up in (1, 2, SILENCE + 3)] == [0, 0, 1]


def test_two_monitors_whose_clocks_differ_by_a_year_delete_by_the_right_one(tmp_path: Path) -> None:
    """They share the folder and run in turn: the wrong clock is never confirmed by the other."""
    ahead = timedelta(days=365)
    for hour in range(0, 24 * 10, 6):
        now = DAY + timedelta(hours=hour)
        times = (retention_time(tmp_path, now), retention_time(tmp_path, now + ahead))
        assert all(time is None or time <= now + timedelta(days=3) for time in times)
