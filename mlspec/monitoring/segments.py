"""Segments: files of JSON lines, each written by one process of the server.

`log/DAY/HOST-PID-START-N.jsonl`; its name ends in `.open` while its process may still write to it.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from mlspec.monitoring.store_folders import StoreFolders

SUFFIX: Final = ".jsonl"
OPEN: Final = ".open"
SILENCE: Final = timedelta(minutes=10)
"""A segment of another host that is not written to for so long has no writer: a writer closes each after a minute."""
_NAME: Final = re.compile(r"(?P<host>.+)-(?P<pid>[0-9]+)-(?P<start>[^-]+)-(?P<number>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of JSON lines."""

    path: Path

    @property
    def name(self) -> str:
        """Its name without `.open`: the same before and after it is closed."""
        return self.path.name.removesuffix(OPEN)

    @property
    def is_open(self) -> bool:
        """Whether its process may still write to it."""
        return self.path.name.endswith(OPEN)


def segments(folders: StoreFolders) -> list[Segment]:
    """All segments of the store, open ones included, by day and name."""
    files = (file for day in folders.days(folders.log) for file in (folders.log / day.isoformat()).iterdir())
    return [Segment(file) for file in sorted(files) if file.name.endswith((SUFFIX, SUFFIX + OPEN))]


def close(segment: Segment) -> Segment:
    """The segment of a dead process under the name of a closed one."""
    return Segment(segment.path.rename(segment.path.with_name(segment.name)))


def is_abandoned(segment: Segment, now: datetime) -> bool:
    """Whether the process of an open segment is dead.

    On this host the process decides: it is gone, or its id belongs to one that started after the last write. Of another
    host only the time of the last write is known.
    """
    match = _NAME.fullmatch(segment.name.removesuffix(SUFFIX))
    try:
        written = segment.path.stat().st_mtime
    except FileNotFoundError:
        return False
    if match and match["host"] == host_name():
        started = _start(int(match["pid"]))
        return started is None or started > written + 1
    return now.timestamp() - written > SILENCE.total_seconds()


def host_name() -> str:
    """The name of this host as it is part of the names of its segments."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", socket.gethostname())[:64].lstrip(".") or "host"


def _start(pid: int) -> float | None:
    """When the process started, in seconds since the epoch; None if it does not run; 0.0 if that is unknown."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except (PermissionError, OverflowError):
        pass
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = re.search(r"^btime ([0-9]+)$", Path("/proc/stat").read_text(encoding="utf-8"), re.MULTILINE)
        return int(boot[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK") if boot else 0.0
    except (OSError, ValueError, IndexError):
        return 0.0
