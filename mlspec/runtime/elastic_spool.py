"""Batches that wait on disk while Elasticsearch is down: `FOLDER/spool/NUMBER-PROCESS-NUMBER.jsonl`, one file each.

A file that a process writes or sends is claimed: its name ends in that process. Claims are touched regularly, so that
what a killed process had claimed becomes available to the other servers of the folder, and to the next one.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

SILENCE: Final = 180.0
"""Seconds without a touch after which a claim belongs to a process that no longer runs."""
_TEND: Final = 20.0
"""Seconds between two looks after the claims."""
_BATCH_LINES: Final = 1_000
_BATCH_BYTES: Final = 2**20
_BATCH_SECONDS: Final = 600.0
"""Size and age at which a batch is complete."""


class SpoolFullError(OSError):
    """The batch does not fit into the bound of the spool."""


class ElasticSpool:
    """The batches on disk, at most `max_bytes` of all processes together. Thread-safe."""

    def __init__(self, folder: Path, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder / "spool"
        self._max_bytes, self._clock = max_bytes, clock
        self.process, self._numbers = f"{os.getpid()}-{os.urandom(4).hex()}", itertools.count()
        self._lock = threading.RLock()
        self._written: Path | None = None
        self._lines, self._since = 0, 0.0
        self._claimed: set[Path] = set()
        self._available: deque[Path] = deque()
        self._looks: dict[Path, tuple[int, float]] = {}
        self._next_tend = clock()

    def put(self, lines: Sequence[bytes]) -> None:
        """Append lines to the batch that this process writes. Raises OSError, and SpoolFullError beyond the bound."""
        with self._lock:
            self._append(self._written or self._new(), lines)
            self._lines += len(lines)
            size = _size(self._written) if self._written else 0
            old = self._clock() - self._since >= _BATCH_SECONDS
            if self._lines >= _BATCH_LINES or size >= _BATCH_BYTES or old:
                self.complete()

    def hold(self, lines: Sequence[bytes]) -> SpooledBatch:
        """A claimed batch with these lines, which this process is sending. Raises as `put`."""
        with self._lock:
            path = self._name()
            self._append(path, lines)
            return self._claim(path, list(lines))

    def complete(self) -> None:
        """Make the batch available that this process writes."""
        with self._lock:
            if self._written is not None:
                SpooledBatch(self._written, [], self._claimed.discard).release()
            self._written, self._lines = None, 0

    def take(self) -> SpooledBatch | None:
        """Claim the oldest batch; None if there is none."""
        with self._lock:
            if not self._available:
                self.complete()
                self._available.extend(sorted(self._files(".jsonl")))
            while self._available:
                path = self._available.popleft()
                claimed = path.with_name(f"{path.name}.{self.process}")
                try:
                    path.rename(claimed)
                    os.utime(claimed)
                    lines = claimed.read_bytes().splitlines(keepends=True)
                except OSError:  # another process was faster, or the file cannot be read
                    continue
                # A process that was killed may have left its last line incomplete.
                batch = self._claim(claimed, [line for line in lines if line.endswith(b"\n")])
                if batch.lines:
                    return batch
                batch.done()
        return None

    def tend(self) -> None:
        """Touch the claims of this process, and make available those of processes that no longer run.

        No wall clock decides that: hosts that share a folder have different ones. Call it often; it is cheap.
        """
        with self._lock:
            now = self._clock()
            if now < self._next_tend:
                return
            self._next_tend = now + _TEND
            for path in self._claimed:
                with contextlib.suppress(OSError):
                    os.utime(path)
            looks = {}
            for path in self._files(""):
                if ".jsonl." not in path.name or path in self._claimed:
                    continue
                with contextlib.suppress(OSError):
                    look = path.stat().st_mtime_ns, now
                    before = self._looks.get(path, look)
                    looks[path] = before if before[0] == look[0] else look
                    if now - looks[path][1] > SILENCE:
                        SpooledBatch(path, []).release()
            self._looks = looks

    def size(self) -> int:
        """The size of all batches in bytes."""
        return sum(map(_size, self._files("")))

    def _append(self, path: Path, lines: Sequence[bytes]) -> None:
        """Append all lines or none."""
        data = b"".join(lines)
        if self.size() + len(data) > self._max_bytes:
            raise SpoolFullError("the spool is full")
        self.folder.mkdir(parents=True, exist_ok=True)
        before = _size(path)
        try:
            with path.open("ab", buffering=0) as file:
                if file.write(data) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(path, before) if before else path.unlink()
            raise

    def _new(self) -> Path:
        """The batch that this process writes from now on."""
        self._written, self._since = self._name(), self._clock()
        self._claimed.add(self._written)
        return self._written

    def _name(self) -> Path:
        """The name of a new claimed batch."""
        batch = f"{time.time_ns():020d}-{self.process}-{next(self._numbers)}"
        return self.folder / f"{batch}.jsonl.{self.process}"

    def _claim(self, path: Path, lines: list[bytes]) -> SpooledBatch:
        self._claimed.add(path)
        return SpooledBatch(path, lines, self._claimed.discard)

    def _files(self, suffix: str) -> list[Path]:
        try:
            with os.scandir(self.folder) as entries:
                return [Path(entry.path) for entry in entries if entry.name.endswith(suffix)]
        except OSError:
            return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


class SpooledBatch:
    """A claimed batch."""

    def __init__(self, path: Path, lines: list[bytes], forget: Callable[[Path], object] = id) -> None:
        self.path, self.lines, self._forget = path, lines, forget

    def done(self) -> None:
        """Delete the batch: it is stored."""
        self._forget(self.path)
        with contextlib.suppress(OSError):
            self.path.unlink()

    def release(self) -> None:
        """Make the batch available again."""
        self._forget(self.path)
        with contextlib.suppress(OSError):
            self.path.rename(self.path.with_name(self.path.name.partition(".jsonl.")[0] + ".jsonl"))
