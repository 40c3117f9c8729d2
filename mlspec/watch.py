"""Which files a stage's process opens, and those it starts, by Python's audit events (https://peps.python.org/pep-0578/).

Libraries that open files without Python (pyarrow, polars) raise no event.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_VARIABLE: Final = "MLSPEC_WATCH"
"""Has the project's folder and, on a second line, the file that every process of the stage appends to."""


@dataclass(frozen=True)
class Seen:
    """Absolute paths inside the project."""

    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)


class _Hook:
    """Appends each new event to a file; a process that is forked appends to the same one."""

    def __init__(self, root: str, file: str) -> None:
        self._roots = tuple({f"{root}/", f"{os.path.realpath(root)}/"})
        self._out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._known: set[tuple[str, str]] = set()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            self._note("written" if _writes(mode, flags) else "read", path)
        elif event == "import":
            self._note("read", arguments[1])  # set for modules in machine code, which Python does not open
        elif event == "sqlite3.connect":
            self._note("read", arguments[0])
        elif event in ("os.listdir", "os.scandir"):
            self._note("listed", arguments[0])
        elif event == "os.rename":
            self._note("written", arguments[1])

    def _note(self, what: str, path: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a file that is open already
        full = os.path.normpath(os.path.join(os.getcwd(), os.fsdecode(path)))
        below = next((full[len(root) :] for root in self._roots if full.startswith(root)), None)
        if below is not None and (what, below) not in self._known:
            self._known.add((what, below))
            os.write(self._out, f"{json.dumps([what, below])}\n".encode())


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return isinstance(flags, int) and flags & os.O_ACCMODE != os.O_RDONLY


_hooks: list[_Hook] = []
"""The hook at work, if any: Python has no way to remove one."""


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    for hook in _hooks:
        try:
            hook(event, arguments)
        except (OSError, ValueError, TypeError, IndexError):
            continue  # a path that is none, or a full disk: opening the file must not fail for it


@functools.cache
def _install() -> None:
    sys.addaudithook(_audit)


@contextmanager
def watching(root: Path, file: Path) -> Iterator[Seen]:
    """Watch this process and all that it starts; what was seen is there when the block ends. `file` is for our use."""
    seen = Seen()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    os.environ[_VARIABLE] = f"{root}\n{file}"
    join()
    try:
        yield seen
    finally:
        _hooks.clear()
        del os.environ[_VARIABLE]
        for line in file.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # a process that was killed while it wrote
                what, path = json.loads(line)
                getattr(seen, what).add(path)
        file.unlink()


@contextmanager
def paused() -> Iterator[None]:
    """Read files that the stage's result does not depend on."""
    kept = list(_hooks)
    _hooks.clear()
    try:
        yield
    finally:
        _hooks.extend(kept)


def join() -> None:
    """Watch this process, where it belongs to a stage that is watched."""
    root, separator, file = os.environ.get(_VARIABLE, "").partition("\n")
    if separator and not _hooks:
        _hooks.append(_Hook(root, file))
        _install()


def pytest_configure() -> None:
    """As a plugin of pytest (`-p mlspec.watch`)."""
    join()
