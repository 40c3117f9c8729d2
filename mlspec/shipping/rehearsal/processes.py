"""The rehearsal's folder in a project, and the processes that outlive the command which started them.

Each is recorded by name with its pid and the moment it began, so that a pid that the system gave to somebody else since
is never taken for ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from mlspec.errors import StageError
from mlspec.job import write_json

_PLACE: Final = "folder"
_PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process that we started, listening on a port of 127.0.0.1."""

    pid: int
    began: float
    port: int

    @property
    def alive(self) -> bool:
        """Whether it still runs, and is the one that we started."""
        import psutil

        try:
            found = psutil.Process(self.pid)
            return bool(abs(found.create_time() - self.began) < 1 and found.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def end(self) -> None:
        """End it, and wait until it is gone."""
        import psutil

        if self.alive:
            with contextlib.suppress(psutil.Error):
                found = psutil.Process(self.pid)
                found.terminate()
                try:
                    found.wait(15)
                except psutil.TimeoutExpired:
                    found.kill()
                    found.wait(15)


@dataclass(frozen=True)
class RehearsalProcesses:
    """The folder of one project's rehearsal."""

    folder: Path

    @property
    def _file(self) -> Path:
        return self.folder / "state.json"

    def state(self) -> dict[str, Any]:
        """What was recorded; nothing where it cannot be read."""
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(found, dict) or self._copied(found.get(_PLACE)):
            return {}
        return found

    def _copied(self, place: object) -> bool:
        """Whether the record came with a copy of another project's folder: its processes belong to that one."""
        return isinstance(place, str) and place != str(self.folder.resolve()) and Path(place).is_dir()

    def remember(self, name: str, value: Any) -> None:
        """Record something; None forgets it."""
        state = self.state() | {_PLACE: str(self.folder.resolve())}
        state.pop(name, None)
        write_json(self._file, {**state, name: value} if value is not None else state)

    def process(self, name: str) -> Process | None:
        """The process of that name; None where there is none or it no longer runs."""
        found = self.state().get(name)
        try:
            process = Process(**found) if isinstance(found, dict) else None
        except TypeError:
            return None
        return process if process is not None and process.alive else None

    def start(
        self,
        name: str,
        command: Callable[[int], Sequence[str]],
        ready: Callable[[int], bool],
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """The process of that name; started with a free port where it does not run. Raises StageError with the end of
        its log where it does not come up."""
        if (found := self.process(name)) is not None:
            return found
        self.folder.mkdir(parents=True, exist_ok=True)
        port, log = free_port(), self.folder / f"{name}.log"
        with log.open("wb") as out:
            started = subprocess.Popen(
                command(port), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                cwd=self.folder, env={**os.environ, **(environment or {})},
            )  # fmt: skip
        process = Process(started.pid, _began(started.pid), port)
        self.remember(name, asdict(process))
        end = time.monotonic() + _PATIENCE
        while not ready(port):
            if started.poll() is not None or time.monotonic() > end:
                process.end()
                last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
                raise StageError(f"the rehearsal's {name} does not start", help="\n".join(last) or "its log is empty")
            time.sleep(0.05)
        return process

    def end(self, name: str) -> bool:
        """End the process of that name; gives whether there was one."""
        process = self.process(name)
        if process is not None:
            process.end()
        self.remember(name, None)
        return process is not None


def _began(pid: int) -> float:
    import psutil

    return float(psutil.Process(pid).create_time())


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def python(module: str, *arguments: str) -> list[str]:
    """The command of a module of ours in the Python that runs now."""
    return [sys.executable, "-m", module, *arguments]
