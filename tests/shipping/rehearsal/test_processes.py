"""The rehearsal's record of its processes, and the copy of it that comes with a copied project."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from mlspec.shipping.rehearsal.processes import Process, RehearsalProcesses


def running(home: RehearsalProcesses) -> Process:
    """A process of that home, which listens on nothing."""
    return home.start("plane", lambda port: [sys.executable, "-c", "import time; time.sleep(600)"], lambda port: True)


def test_a_copied_project_never_ends_the_processes_of_the_first(tmp_path: Path) -> None:
    first = RehearsalProcesses(tmp_path / "one" / ".mlspec" / "local")
    process = running(first)
    try:
        assert first.process("plane") == process
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        second = RehearsalProcesses(tmp_path / "two" / ".mlspec" / "local")
        assert second.process("plane") is None
        assert second.end("plane") is False
        second.remember("example", {"a": 1})
        assert second.example == {"a": 1}
        assert second.process("plane") is None
        assert first.process("plane") == process
        assert process.alive
    finally:
        process.end()


def test_a_moved_project_keeps_its_processes(tmp_path: Path) -> None:
    first = RehearsalProcesses(tmp_path / "one" / ".mlspec" / "local")
    process = running(first)
    try:
        (tmp_path / "one").rename(tmp_path / "two")
        moved = RehearsalProcesses(tmp_path / "two" / ".mlspec" / "local")
        result = moved.process("plane")
        assert result is not None
        assert asdict(result) == asdict(process)
    finally:
        process.end()
