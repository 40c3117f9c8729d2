"""Batches that wait on disk while Elasticsearch is down: `FOLDER/spool/NUMBER-PROCESS-NUMBER.jsonl`, one file each.

A file is written whole and renamed into place, and claimed by renaming it, so that several servers can share the
folder. What a process that was killed has claimed becomes available again after a while.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_STALE: Final = 900.0
"""Age in seconds at which a claim belongs to a process that no longer runs."""


class SpoolFullError(OSError):
    """The batch does not fit into the bound of the spool."""


class ElasticSpool:
    """The batches on disk, at most `max_bytes` of all processes together."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder / "spool"
        self._max_bytes = max_bytes
        self.process, self._numbers = f"{os.getpid()}-{os.urandom(4).hex()}", itertools.count()

    def put(self, lines: Sequence[bytes]) -> None:
        """Store a batch. Raises OSError, and SpoolFullError if the bound would be exceeded."""
        data = b"".join(lines)
        if self.size() + len(data) > self._max_bytes:
            self._remove_partial()
            if self.size() + len(data) > self._max_bytes:
                raise SpoolFullError("the spool is full")
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{self.process}-{next(self._numbers)}"
        partial = self.folder / f"{name}.partial"
        try:
            partial.write_bytes(data)
            partial.rename(self.folder / f"{name}.jsonl")
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise

    def take(self) -> SpooledBatch | None:
        """Claim the oldest batch; None if there is none."""
        for path in sorted(self._files(".jsonl")):
            claimed = path.with_name(f"{path.name}.{self.process}")
            try:
                path.rename(claimed)
                os.utime(claimed)
                return SpooledBatch(claimed, claimed.read_bytes().splitlines(keepends=True))
            except OSError:  # another process was faster, or the file cannot be read
                continue
        return None

    def recover(self) -> None:
        """Make available what a process has claimed that no longer runs, and remove what it did not finish writing."""
        self._remove_partial()
        for path in self._files(""):
            with contextlib.suppress(OSError):
                name, dot, _ = path.name.partition(".jsonl.")
                if dot and _stale(path):
                    path.rename(path.with_name(f"{name}.jsonl"))

    def _remove_partial(self) -> None:
        """Remove batches that a killed process left half-written: nothing sends them, and they take up the bound."""
        for path in self._files(".partial"):
            with contextlib.suppress(OSError):
                if _stale(path):
                    path.unlink()

    def size(self) -> int:
        """The size of all batches in bytes."""
        total = 0
        for path in self._files(""):
            with contextlib.suppress(OSError):
                total += path.stat().st_size
        return total

    def _files(self, suffix: str) -> list[Path]:
        try:
            return [path for path in self.folder.iterdir() if path.name.endswith(suffix)]
        except OSError:
            return []


def _stale(path: Path) -> bool:
    """Whether the process of a file no longer runs. Raises OSError."""
    return time.time() - path.stat().st_mtime > _STALE


class SpooledBatch:
    """A claimed batch."""

    def __init__(self, path: Path, lines: list[bytes]) -> None:
        self.path, self.lines = path, lines

    def done(self) -> None:
        """Delete the batch: it is stored."""
        with contextlib.suppress(OSError):
            self.path.unlink()

    def release(self) -> None:
        """Make the batch available again."""
        with contextlib.suppress(OSError):
            self.path.rename(self.path.with_name(self.path.name.partition(".jsonl.")[0] + ".jsonl"))
