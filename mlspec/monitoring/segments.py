"""Segments: files of JSON lines, each written by one process of the server.

`log/DAY/HOST-PID-START-N.jsonl`; its name ends in `.open` while its process may still write to it.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlspec.monitoring.store_folders import StoreFolders

SUFFIX: Final = ".jsonl"
OPEN: Final = ".open"


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


def host_name() -> str:
    """The name of this host as it is part of the names of its segments."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", socket.gethostname())[:64].lstrip(".") or "host"
