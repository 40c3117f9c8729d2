"""Where the store keeps its files, and its two locks: one sealer at a time, no deletion while a query reads."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoreFolders:
    """The folders below `root`; a day is a folder or a file named `YYYY-MM-DD`, in UTC."""

    root: Path

    @property
    def log(self) -> Path:
        """Segments of JSON lines, a folder for each day."""
        return self.root / "log"

    @property
    def data(self) -> Path:
        """Sealed Parquet files, a folder for each day."""
        return self.root / "data"

    @property
    def profiles(self) -> Path:
        """Hourly profiles, a Parquet file for each day."""
        return self.root / "profiles"

    @property
    def labels(self) -> Path:
        """Labels by the day of their prediction, a Parquet file for each day."""
        return self.root / "labels"

    @property
    def refused(self) -> Path:
        """Documents that Elasticsearch refused for good, a folder for each day."""
        return self.root / "refused"

    @property
    def spool(self) -> Path:
        """Batches that wait for Elasticsearch; their names begin with the time in ns."""
        return self.root / "spool"

    @property
    def state(self) -> Path:
        """State of detectors, notifications and readers, and the locks."""
        return self.root / "state"

    def days(self, folder: Path) -> list[date]:
        """The days that `folder` has, in order."""
        names = {entry.name.partition(".")[0] for entry in folder.iterdir()} if folder.is_dir() else set()
        return sorted(day for name in names if (day := _day(name)) is not None)

    @contextmanager
    def sealing(self) -> Iterator[bool]:
        """Whether this process is the only sealer while the block runs."""
        with _locked(self.state, "seal.lock", fcntl.LOCK_EX) as held:
            yield held

    @contextmanager
    def retraining(self) -> Iterator[bool]:
        """Whether this process is the only one that trains on collected rows while the block runs."""
        with _locked(self.state, "retraining.lock", fcntl.LOCK_EX) as held:
            yield held

    @contextmanager
    def labelling(self) -> Iterator[None]:
        """While the block runs, no other process stores labels; waits for it."""
        with _locked(self.state, "labels.lock", fcntl.LOCK_EX, wait=True):
            yield

    @contextmanager
    def pulling(self) -> Iterator[bool]:
        """Whether this process alone brings predictions from elsewhere while the block runs."""
        with _locked(self.state, "pull.lock", fcntl.LOCK_EX) as held:
            yield held

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While the block runs, no file that a query may read is deleted."""
        if not os.access(self.root, os.W_OK):  # a copy to read, which no sealer changes
            yield
            return
        with _locked(self.state, "readers.lock", fcntl.LOCK_SH, wait=True):
            yield

    @contextmanager
    def deleting(self) -> Iterator[bool]:
        """Whether no query reads while the block runs, so that files may be deleted."""
        with _locked(self.state, "readers.lock", fcntl.LOCK_EX) as held:
            yield held


def label_files(folders: StoreFolders) -> list[Path]:
    """The label files of all days."""
    return [folders.labels / f"{day.isoformat()}.parquet" for day in folders.days(folders.labels)]


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


@contextmanager
def _locked(folder: Path, name: str, kind: int, wait: bool = False) -> Iterator[bool]:
    """Whether the lock is held while the block runs; the system releases it when the process dies."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        yield _try(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind)
    except BlockingIOError:
        return False
    return True
