"""Runs a command in a child process and follows its log file.

The log is the stdout of the process, not a pipe: the process can write to it even if this one is killed.
"""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from mlspec.parent_death import die_with_parent

_POLL = 0.1
GRACE = 10.0
"""Seconds that an interrupted process has to exit by itself, and again after SIGTERM."""

GRACE_ASKED = 1.0
"""The same before SIGTERM for a stage program, which handles a second signal: only the Ctrl-C of a terminal reaches it
too, and who cancels a job does not want to wait ten seconds."""

GRACE_OUTSIDE = 60.0
"""The same after SIGTERM for a stage with external effects: a rollback takes several requests over a network."""


class Terminated(KeyboardInterrupt):
    """SIGTERM was received: by this process alone, while a Ctrl-C reaches every process of the terminal."""


class TimeLimitError(Exception):
    """A process was stopped because it took longer than allowed."""


def raise_terminated(*_: object) -> None:
    """A handler of SIGTERM."""
    raise Terminated


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a child process: with this installation's `mlspec` on PATH, and unbuffered output."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "DVC_NO_ANALYTICS": "1", **(extra or {})}


def follow(
    command: Sequence[str],
    folder: Path,
    log: Path,
    watch: Callable[[str], None],
    variables: Mapping[str, str] | None = None,
    *,
    runs_itself: bool = False,
    limit: float | None = None,
) -> int:
    """Run `command` in `folder` and return its exit code. `watch` receives each line, and `""` while there is none.

    `variables` are added to the environment. On KeyboardInterrupt the process and its descendants are stopped before it
    is raised again. `runs_itself`: the command is the stage program, not one that waits for it. After `limit` seconds
    they are stopped too, and TimeLimitError is raised.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out, log.open("rb") as seen:
        process = _start(command, folder, out, environment(variables))
        lines, end_at = _LogLines(seen), time.monotonic() + (limit or math.inf)
        try:
            while process.poll() is None:
                if time.monotonic() > end_at:
                    raise TimeLimitError
                for line in lines.new() or [""]:
                    watch(line)
                _wait(process, _POLL)
        except (KeyboardInterrupt, TimeLimitError) as interrupt:
            end(process, at_once=isinstance(interrupt, Terminated | TimeLimitError), runs_itself=runs_itself)
            for line in lines.new(rest=True):  # its last output
                watch(line)
            raise
        for line in lines.new(rest=True):
            watch(line)
    return process.returncode


def _start(command: Sequence[str], folder: Path, out: IO[bytes], variables: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=out,
        env=variables,
        preexec_fn=die_with_parent,  # no threads are running here
    )


def end(process: subprocess.Popen[bytes], *, at_once: bool = False, runs_itself: bool = False) -> None:
    """Stop `process` and its descendants: wait, unless `at_once`; then SIGTERM; then SIGKILL.

    DVC only waits for its command, so the descendants receive SIGTERM: the stage program saves its state and exits. A
    stage program that runs directly receives it first, to roll back its external effects.
    """
    import psutil

    if not at_once and _wait(process, GRACE_ASKED if runs_itself else GRACE):
        return
    if runs_itself:
        process.terminate()
        if _wait(process, GRACE_OUTSIDE):
            return
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        below = []
    for child in below:
        with contextlib.suppress(psutil.Error):
            child.terminate()
    _, left = psutil.wait_procs(below, GRACE)
    for child in left:
        with contextlib.suppress(psutil.Error):
            child.kill()
    if not _wait(process, GRACE):
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


class _LogLines:
    """The complete lines that were appended to a file since the last call."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._part = b""

    def new(self, *, rest: bool = False) -> list[str]:
        data = self._part + self._file.read()
        # A progress bar returns to the start of its line.
        *lines, self._part = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if rest and self._part:
            lines.append(self._part)
            self._part = b""
        return [text for line in lines if (text := line.decode("utf-8", "replace").rstrip())]


def last_lines(log: Path, count: int) -> list[str]:
    """The last lines of a log; reads only its end."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 200 * count))
            lines = _LogLines(file).new(rest=True)
    except OSError:
        return []
    return lines[-count:]
