"""Which open segments have no writer any more, without trusting a clock: hosts that share a folder have different ones,
and each may jump. A live segment that is closed and sealed would lose what its process writes next.

A writer completes each segment after a minute. So one has no writer if it has not changed for ten minutes of this
machine's uptime, or between two looks of different machines, of the time that the file system of the folder states. One
of a process of this host that has ended needs no second look, unless it is so young that its process may be in another
container with the same host name.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.job import write_text
from mlspec.monitoring.segments import SUFFIX, Segment, host_name, segments
from mlspec.monitoring.store_folders import StoreFolders

SILENCE: Final = 600.0
"""Seconds without a change after which a segment has no writer."""
YOUNG: Final = 90.0
"""A segment of this age may have a writer in another container with the same host name."""
_FILE: Final = "open-segments.json"
_UPTIME: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux alone has a clock that also counts while the machine sleeps."""
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_NAME: Final = re.compile(r"(?P<host>.+)-(?P<pid>[0-9]+)-(?P<start>[^-]+)-(?P<number>[0-9]+)")


class Machine(NamedTuple):
    """A machine: its name, its start ("" if the system does not state it), and the seconds since then, which no setting
    of a clock changes."""

    host: str
    boot: str
    seconds: float


def this_machine() -> Machine:
    """The machine of this process."""
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return Machine(host_name(), boot, time.clock_gettime(_UPTIME))


class FirstLook(BaseModel):
    """When a segment was first seen as it is now: by the uptime of a machine, and by the clock of the file system."""

    model_config = ConfigDict(frozen=True)

    size: int
    written: int
    boot: str
    up: float
    folder_time: float


class FirstLooks(BaseModel):
    """The state file: open segments by name."""

    model_config = ConfigDict(frozen=True)

    segments: Mapping[str, FirstLook] = {}


@dataclass(frozen=True)
class OpenSegments:
    """The open segments of a store."""

    folders: StoreFolders
    machine: Callable[[], Machine] = this_machine

    def abandoned(self) -> list[Segment]:
        """Those without a writer; what is seen of the others is stored for the next look."""
        opened = [segment for segment in segments(self.folders) if segment.is_open]
        path = self.folders.state / _FILE
        if not opened:
            path.unlink(missing_ok=True)
            return []
        known, now, here = _read(path), _folder_time(self.folders.state), self.machine()
        looks: dict[str, FirstLook] = {}
        result = []
        for segment in opened:
            try:
                status = segment.path.stat()
            except FileNotFoundError:  # its process completed it
                continue
            look = FirstLook(
                size=status.st_size, written=status.st_mtime_ns, boot=here.boot, up=here.seconds, folder_time=now
            )
            before = known.get(segment.name, look)
            if (before.size, before.written) != (look.size, look.written):
                before = look
            ended = _ended(segment, here.host) and now - status.st_mtime > YOUNG
            if ended or _elapsed(before, look) > SILENCE:
                result.append(segment)
            else:
                looks[segment.name] = before
        write_text(path, FirstLooks(segments=looks).model_dump_json() + "\n")
        return result


def _elapsed(before: FirstLook, now: FirstLook) -> float:
    """Seconds between two looks."""
    same_start = now.boot != "" and before.boot == now.boot
    return now.up - before.up if same_start else now.folder_time - before.folder_time


def _ended(segment: Segment, host: str) -> bool:
    """Whether its process was one of this machine, and does not run."""
    match = _NAME.fullmatch(segment.name.removesuffix(SUFFIX))
    if match is None or match["host"] != host:
        return False
    try:
        os.kill(int(match["pid"]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return False


def _folder_time(folder: Path) -> float:
    """What the file system says the time is; of a shared folder it is not the clock of this machine."""
    probe = folder / f".clock-{os.getpid()}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _read(path: Path) -> Mapping[str, FirstLook]:
    try:
        return FirstLooks.model_validate_json(path.read_bytes()).segments
    except (OSError, ValidationError):
        return {}
