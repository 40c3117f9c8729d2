"""The prediction log on disk: JSON-lines files of this process, `FOLDER/log/DAY/HOST-PID-START-NUMBER.jsonl`.

A file has the suffix `.open` until it is complete. Each process writes its own files, so that several servers can share
a folder without locks. Lines are written whole; after a failed write the file is cut back to its last whole line.
What is dropped is counted in `FOLDER/dropped/DAY/HOST-PID-START.jsonl`, as soon as the disk permits.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from mlspec.runtime.drop_notes import DropNotes

MAX_BYTES: Final = 64 * 2**20
"""Size at which a file is completed."""
MAX_SECONDS: Final = 60.0
"""Age at which a file is completed."""
OPEN: Final = ".open"
"""Suffix of a file that its process still writes."""


class LogSegments:
    """The files of one process. Not thread-safe. All methods raise OSError if the disk fails."""

    name: Final = "file"

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = MAX_BYTES,
        max_seconds: float = MAX_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        dropped: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """`dropped` returns how many records this process has lost so far, by reason."""
        self.folder = folder / "log"
        self._max_bytes, self._max_seconds, self._clock = max_bytes, max_seconds, clock
        self._process = f"{_host()}-{os.getpid()}-{time.time_ns() // 1_000_000:x}"
        self._notes = DropNotes(folder, self._process, "dropped", dropped, clock)
        self._number = 0
        self._file: int | None = None
        self._path = Path()
        self._day = ""
        self._size, self._since = 0, 0.0

    def check(self) -> None:
        """Raise OSError if the folder cannot be created or written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        probe = self.folder / f".{self._process}"
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
        probe.unlink()

    def write(self, day: str, lines: Sequence[bytes]) -> None:
        """Append whole lines of a day, all or none of them. Raises OSError if none was written."""
        if self._file is None or day != self._day:
            self.complete()
            self._open(day)
        self._append(b"".join(lines))
        if self._size >= self._max_bytes:
            self.complete()

    def tick(self) -> None:
        """Complete the file if it is old enough, and write how many records were dropped since the last time."""
        self._notes.tick()
        if self._file is not None and self._clock() - self._since >= self._max_seconds:
            self.complete()

    def complete(self) -> None:
        """Close the file and remove its suffix `.open`; an empty file is deleted."""
        if self._file is None:
            return
        file, self._file = self._file, None
        os.close(file)
        if self._size:
            self._path.rename(self._path.with_name(self._path.name.removesuffix(OPEN)))
        else:
            self._path.unlink()

    def close(self) -> None:
        """Complete the file, and write how many records were dropped."""
        self._notes.write()
        self.complete()

    def _open(self, day: str) -> None:
        folder = self.folder / day
        folder.mkdir(parents=True, exist_ok=True)
        self._number += 1
        self._path = folder / f"{self._process}-{self._number}.jsonl{OPEN}"
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        self._day, self._size, self._since = day, 0, self._clock()

    def _append(self, data: bytes) -> None:
        assert self._file is not None
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:] if written else data)
        except OSError:
            self._undo(written)
            raise
        self._size += len(data)

    def _undo(self, written: int) -> None:
        """Remove the part of a batch that was written; if that fails too, start a new file."""
        assert self._file is not None
        try:
            if written:
                os.ftruncate(self._file, self._size)
        except OSError:
            self._size += written
            self.complete()


def _host() -> str:
    """The host name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", socket.gethostname())[:64].lstrip(".") or "host"
