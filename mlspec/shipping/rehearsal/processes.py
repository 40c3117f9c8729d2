"""The processes of a rehearsal, which outlive the command that started them, recorded in the project's folder.

Each is recorded with its pid and start time: a pid may have been reused by another process.
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
from typing import Final

from pydantic import JsonValue

from mlspec.errors import StageError
from mlspec.job import write_json

JsonObject = dict[str, JsonValue]
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
        """Whether it runs, and is the process that was recorded."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            return bool(abs(process.create_time() - self.began) < 1 and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def end(self) -> None:
        """Stop it, and wait until it has exited."""
        import psutil

        if self.alive:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(self.pid)
                process.terminate()
                try:
                    process.wait(15)
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait(15)


@dataclass(frozen=True)
class RehearsalProcesses:
    """The folder of one project's rehearsal."""

    folder: Path

    @property
    def example(self) -> JsonObject | None:
        """The row that was recorded as an example of a request."""
        example = self._state().get("example")
        return example if isinstance(example, dict) else None

    @property
    def serves(self) -> tuple[object, ...]:
        """What the endpoint was started for: control plane, region, function, alias."""
        serves = self._state().get("serves")
        return tuple(serves) if isinstance(serves, list) else ()

    @property
    def _file(self) -> Path:
        return self.folder / "state.json"

    def _state(self) -> JsonObject:
        """The recorded state; empty where it cannot be read."""
        try:
            state = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(state, dict) or self._copied(state.get(_PLACE)):
            return {}
        return state

    def _copied(self, place: object) -> bool:
        """Whether the state came with a copy of another project's folder: its processes belong to that project."""
        return isinstance(place, str) and place != str(self.folder.resolve()) and Path(place).is_dir()

    def remember(self, name: str, value: object) -> None:
        """Record a value; None removes it."""
        state = self._state() | {_PLACE: str(self.folder.resolve())}
        state.pop(name, None)
        write_json(self._file, {**state, name: value} if value is not None else state)

    def process(self, name: str) -> Process | None:
        """The process of that name; None where it does not run."""
        process = _process(self._state().get(name))
        return process if process is not None and process.alive else None

    def start(
        self,
        name: str,
        command: Callable[[int], Sequence[str]],
        ready: Callable[[int], bool],
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """The process of that name, started on a free port if it does not run.

        Raises StageError with the end of its log where it does not become ready.
        """
        running = self.process(name)
        if running is not None:
            return running
        self.folder.mkdir(parents=True, exist_ok=True)
        port, log = free_port(), self.folder / f"{name}.log"
        with log.open("wb") as out:
            started = subprocess.Popen(
                command(port),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
            )
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
        """Stop the process of that name; returns whether it ran."""
        process = self.process(name)
        if process is not None:
            process.end()
        self.remember(name, None)
        return process is not None


def _process(value: object) -> Process | None:
    """A process as it was recorded; None for another shape."""
    match value:
        case {"pid": int(pid), "began": int() | float() as began, "port": int(port)}:
            return Process(pid, float(began), port)
        case _:
            return None


def _began(pid: int) -> float:
    import psutil

    return float(psutil.Process(pid).create_time())


def free_port() -> int:
    """A free port of 127.0.0.1."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in this Python."""
    return [sys.executable, "-m", module, *arguments]
