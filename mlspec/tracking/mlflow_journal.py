"""The journal of a run in `.mlspec/runs/`: every metric, as it comes, and the files of its results.

A training writes here first, so that a server that does not answer neither stops it nor loses anything. A training that
resumes from a checkpoint repeats some steps; the journal has each metric of a step once.
"""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mlspec.job import write_text
from mlspec.records.tracked_run import TrackedRun

METRICS = "metrics.jsonl"
FILES = "files"
LOCK = "lock"
"""Locked by the process whose training the run is; the operating system unlocks it when the process ends."""


@dataclass(frozen=True, slots=True)
class LoggedMetric:
    """A value of a metric at a step; `time` in milliseconds since 1970."""

    name: str
    value: float
    step: int
    time: int


class RunJournal:
    """The metrics and files of one run. Only one process writes to it at a time."""

    def __init__(self, root: Path, run: TrackedRun) -> None:
        self.folder = run.folder(root)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._last = {metric.name: metric.step for metric in self.metrics(0)}
        self._file: TextIO | None = None
        self._lock: TextIO | None = None

    def add(self, values: Mapping[str, float], step: int, time: int) -> None:
        """Append metrics. What is not finite, or belongs to a step before the last one, is left out."""
        rows = []
        for name, value in values.items():
            if math.isfinite(value) and step > self._last.get(name, -1):
                rows.append(json.dumps([name, value, step, time]))
                self._last[name] = step
        if rows:
            path = self.folder / METRICS
            torn = self._file is None and path.exists() and not path.read_bytes().endswith(b"\n")
            self._file = self._file or path.open("a", encoding="utf-8")
            self._file.write("".join(["\n" if torn else "", *(f"{row}\n" for row in rows)]))
            self._file.flush()

    def metrics(self, first: int) -> Iterator[LoggedMetric]:
        """The metrics from line `first` on; one without a name for the line that a killed process has torn."""
        path = self.folder / METRICS
        if not path.exists():
            return
        for line in path.read_text(encoding="utf-8").split("\n")[first:-1]:
            try:
                name, value, step, time = json.loads(line)
            except ValueError:
                name, value, step, time = "", math.nan, 0, 0
            yield LoggedMetric(str(name), float(value), int(step), int(time))

    def put(self, name: str, text: str) -> None:
        """Keep a file of the results for the upload."""
        write_text(self.folder / FILES / name, text)

    @property
    def files(self) -> Path:
        """The folder with the files of the results; may be missing."""
        return self.folder / FILES

    def hold(self) -> bool:
        """Mark the run as that of this process until it ends, however it ends; False if another process has it."""
        if self._lock is None:
            self._lock = (self.folder / LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the files."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if self._file is not None:
            self._file.close()
            self._file = None
