from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlspec.monitoring.dropped_records import dropped_records
from mlspec.monitoring.store_folders import StoreFolders
from mlspec.runtime.drop_notes import DROPPED_SECONDS
from mlspec.runtime.log_segments import LogSegments
from tests.runtime.answered import largest_file

DAY, NEXT = "2026-11-27", "2026-11-28"
ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def files(folder: Path) -> dict[str, bytes]:
    """Each file's day and text; without its name but with its suffixes."""
    return {
        f"{p.parent.name}/{p.name.partition('.jsonl')[1]}{p.name.partition('.jsonl')[2]}-{n}": p.read_bytes()
        for n, p in enumerate(sorted((folder / "log").rglob("*.jsonl*")))
    }


def test_a_file_is_open_until_it_is_complete(tmp_path: Path) -> None:
    segments = LogSegments(tmp_path)
    segments.write(DAY, [b"1\n", b"2\n"])
    segments.write(DAY, [b"3\n"])
    assert files(tmp_path) == {f"{DAY}/.jsonl.open-0": b"1\n2\n3\n"}
    segments.close()
    assert files(tmp_path) == {f"{DAY}/.jsonl-0": b"1\n2\n3\n"}
    segments.close()
    (name,) = [path.name for path in (tmp_path / "log" / DAY).iterdir()]
    assert name.split("-")[-3] == str(os.getpid())
    assert name.endswith("-1.jsonl")


def test_what_is_dropped_is_counted_once_there_is_space(tmp_path: Path) -> None:
    now, lost = [0.0], {"queue_full": 0, "write_error": 0}
    segments = LogSegments(tmp_path, clock=lambda: now[0], dropped=lambda: lost)

    def noted() -> dict[str, int]:
        return dict(dropped_records(StoreFolders(tmp_path), *ALWAYS).get("log", {}))

    segments.tick()
    assert not (tmp_path / "dropped").exists()
    lost["queue_full"] = 3
    with largest_file(10):
        segments.tick()
    assert noted() == {}
    now[0] = DROPPED_SECONDS
    segments.tick()
    assert noted() == {"queue_full": 3}
    lost["write_error"] = 2
    segments.tick()
    assert noted() == {"queue_full": 3}
    segments.close()
    assert noted() == {"queue_full": 3, "write_error": 2}


def test_a_file_is_completed_by_size_age_and_day(tmp_path: Path) -> None:
    now = [0.0]
    segments = LogSegments(tmp_path, max_bytes=4, clock=lambda: now[0])
    segments.write(DAY, [b"12\n", b"3\n"])
    assert list(files(tmp_path)) == [f"{DAY}/.jsonl-0"]
    segments.write(DAY, [b"4\n"])
    now[0] = 59.0
    segments.tick()
    assert list(files(tmp_path)) == [f"{DAY}/.jsonl-0", f"{DAY}/.jsonl.open-1"]
    now[0] = 60.0
    segments.tick()
    assert list(files(tmp_path)) == [f"{DAY}/.jsonl-0", f"{DAY}/.jsonl-1"]
    segments.write(DAY, [b"5\n"])
    segments.write(NEXT, [b"6\n"])
    assert list(files(tmp_path))[2:] == [f"{DAY}/.jsonl-2", f"{NEXT}/.jsonl.open-3"]


def test_a_clock_that_jumps_back_starts_a_new_file_of_the_earlier_day(tmp_path: Path) -> None:
    segments = LogSegments(tmp_path)
    for day in (NEXT, DAY, NEXT):
        segments.write(day, [b"x\n"])
    segments.close()
    assert sorted(files(tmp_path).values()) == [b"x\n"] * 3


def test_two_servers_share_a_folder(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mlspec.runtime.log_segments import LogSegments\n"
        "s = LogSegments(Path(sys.argv[1]), max_bytes=100)\n"
        "for n in range(500): s.write('2026-11-27', [sys.argv[2].encode() + b'%03d\\n' % n])\n"
        "s.close()"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "ab"]
    assert [each.wait(60) for each in both] == [0, 0]
    lines = b"".join(files(tmp_path).values()).splitlines()
    assert sorted(lines) == sorted(b"%c%03d" % (name, n) for name in b"ab" for n in range(500))


@pytest.mark.skipif(sys.platform == "win32", reason="resource limits")
def test_a_full_disk_leaves_whole_lines_and_is_used_again_when_it_has_space(tmp_path: Path) -> None:
    segments = LogSegments(tmp_path)
    segments.write(DAY, [b"before\n"])
    with largest_file(12):
        with pytest.raises(OSError, match="File too large"):
            segments.write(DAY, [b"does not fit\n"])
        assert list(files(tmp_path).values()) == [b"before\n"]
        segments.write(DAY, [b"fits\n"])
    segments.write(DAY, [b"after\n"])
    segments.close()
    assert list(files(tmp_path).values()) == [b"before\nfits\nafter\n"]


def test_a_folder_that_cannot_be_written_is_an_error_before_the_first_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("in the way")
    with pytest.raises(OSError, match=r"exists|directory"):
        LogSegments(tmp_path).check()
    LogSegments(tmp_path / "other").check()
    assert list((tmp_path / "other" / "log").iterdir()) == []


def test_a_folder_that_is_deleted_while_the_server_runs_is_created_again(tmp_path: Path) -> None:
    segments = LogSegments(tmp_path, max_seconds=0)
    segments.write(DAY, [b"1\n"])
    (gone,) = (tmp_path / "log" / DAY).iterdir()
    gone.unlink()
    gone.parent.rmdir()
    with pytest.raises(FileNotFoundError):
        segments.tick()
    segments.write(DAY, [b"2\n"])
    segments.close()
    assert list(files(tmp_path).values()) == [b"2\n"]
