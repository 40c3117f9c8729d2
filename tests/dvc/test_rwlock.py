"""DVC's list of readers and writers after a kill, and beside a DVC that lives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlspec.dvc.rwlock import repair

LONG_AGO = 1_000_000_000
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Python code in a process of its own, once it has written a line; it may wait for its standard input."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        return process

    yield run
    for process in started:
        process.communicate()


WAITS = "import sys; print('here', flush=True); sys.stdin.read()"


def listed(root: Path, content: object, written: float | None = None) -> Path:
    busy = root / ".dvc" / "tmp" / "rwlock"
    busy.parent.mkdir(parents=True, exist_ok=True)
    busy.write_text(json.dumps(content))
    if written is not None:
        os.utime(busy, (written, written))
    return busy


def test_processes_that_have_ended_are_removed(tmp_path: Path, start: Start) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lives = {"pid": start(WAITS).pid, "cmd": "dvc repro x"}
    gone = {"pid": ended.pid, "cmd": "dvc"}
    busy = listed(tmp_path, {"write": {"/p/a": gone, "/p/b": lives}, "read": {"/p/c": [gone, lives], "/p/d": []}})
    repair(tmp_path)
    assert json.loads(busy.read_text()) == {"write": {"/p/b": lives}, "read": {"/p/c": [lives]}}


def test_a_process_id_that_another_program_has_since_is_removed(tmp_path: Path, start: Start) -> None:
    """DVC asks only whether a process of that number runs, and would wait for a stranger."""
    stranger = {"pid": start(WAITS, "dvc").pid, "cmd": "dvc repro x"}
    busy = listed(tmp_path, {"write": {"/p/a": stranger}, "read": {}}, written=LONG_AGO)
    repair(tmp_path)
    assert json.loads(busy.read_text()) == {"write": {}, "read": {}}
    assert busy.stat().st_mtime == LONG_AGO


def test_a_program_that_uses_dvc_under_another_name_keeps_its_entries(tmp_path: Path, start: Start) -> None:
    """As a notebook or a server does, by DVC's Python API."""
    actual = {"write": {"/p/a": {"pid": start(WAITS, "notebook").pid, "cmd": "repro"}}, "read": {}}
    busy = listed(tmp_path, actual)
    repair(tmp_path)
    assert json.loads(busy.read_text()) == actual


def test_a_torn_list_is_removed(tmp_path: Path) -> None:
    busy = tmp_path / ".dvc" / "tmp" / "rwlock"
    busy.parent.mkdir(parents=True)
    for torn in ("", '{"write": {"/p', "[]", '{"write": {"/a": {}}}', "\0\0", "stages: {"):
        busy.write_text(torn)
        repair(tmp_path)
        assert not busy.exists()


HOLDS = """
import sys
from dvc.lock import make_lock
with make_lock(sys.argv[1], tmp_dir=sys.argv[2], hardlink_lock=sys.argv[3] == "hardlink"):
    print("here", flush=True)
    sys.stdin.readline()
    with open(sys.argv[2] + "/rwlock", "w") as file:
        file.write('{"write": {}, "read": {}}')
"""


@pytest.mark.parametrize("kind", ["file", "hardlink"])
def test_nothing_is_changed_while_a_dvc_works_on_it(kind: str, tmp_path: Path, start: Start) -> None:
    """DVC writes the list in place: to another process it looks torn meanwhile."""
    busy = listed(tmp_path, {})
    busy.write_text('{"write": {"/p')
    holder = start(HOLDS, str(busy.with_name("rwlock.lock")), str(busy.parent), kind)
    worker = threading.Thread(target=repair, args=(tmp_path,))
    began = time.monotonic()
    worker.start()
    worker.join(0.5)
    assert busy.read_text() == '{"write": {"/p', "left alone while it is held"
    holder.communicate("go on\n")
    worker.join()
    assert busy.read_text() == '{"write": {}, "read": {}}'
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("kind", ["file", "hardlink"])
def test_dvc_can_lock_it_afterwards(kind: str, tmp_path: Path, start: Start) -> None:
    listed(tmp_path, {}).write_text("torn")
    folder = tmp_path / ".dvc" / "tmp"
    repair(tmp_path)
    start(HOLDS, str(folder / "rwlock.lock"), str(folder), kind).communicate("go on\n")
    repair(tmp_path)
    assert (folder / "rwlock").read_text() == '{"write": {}, "read": {}}'
