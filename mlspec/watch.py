"""Which files a stage's process opens, and those it starts, by Python's audit events (https://peps.python.org/pep-0578/).

Libraries that open files without Python (pyarrow, polars, memory maps) and programs that are not Python raise no event.
On Linux inotify sees those (`mlspec/inotify.py`). It sees every process, an editor's too, and does not say which.
fanotify does, with rights that a container does not have; what runs inside the user's process (LD_PRELOAD, ptrace)
would change it. So what only inotify has seen is kept apart (`Seen.native`), and `run/undeclared_reads.py` judges it.
"""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mlspec.stage_context import WatchedProject

PYTHON: Final = "."


@dataclass(frozen=True)
class Seen:
    """Absolute paths inside the project."""

    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    """Files in the arguments of programs that were started; `PYTHON` where one of these is Python."""
    native: set[str] = field(default_factory=set)
    """What any process of the machine has opened."""
    folders: set[str] = field(default_factory=set)
    """The folders that any process has listed."""
    blind: list[str] = field(default_factory=list)
    """Why `native` is not complete."""


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
        elif event == "subprocess.Popen":
            self._start(arguments[0], arguments[1], arguments[2])
        elif event == "os.posix_spawn":
            self._start(arguments[0], arguments[1], None)
        elif event == "os.system":
            self._start("", os.fsdecode(arguments[0]), None)

    def _start(self, program: object, arguments: object, folder: object) -> None:
        one = isinstance(arguments, str | bytes | os.PathLike)
        words = [w for a in ([arguments] if one else list(arguments or ())) for w in _words(a)]  # type: ignore[call-overload]
        if any("python" in os.path.basename(word) for word in [*_words(program), *words]):
            self._append("started", PYTHON)
        for word in words:
            if os.path.isfile(path := os.path.join(os.getcwd(), os.fsdecode(folder or ""), word)):  # type: ignore[arg-type]
                self._note("started", path)

    def _note(self, what: str, path: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a file that is open already
        full = os.path.join(os.getcwd(), os.fsdecode(path))
        if ".." in full.split("/"):  # of a link: the folder above its target
            full = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
        full = os.path.normpath(full)
        below = next((full[len(root) :] for root in self._roots if full.startswith(root)), None)
        if below is not None:
            self._append(what, below)

    def _append(self, what: str, below: str) -> None:
        if (what, below) not in self._known:
            self._known.add((what, below))
            os.write(self._out, f"{json.dumps([what, below])}\n".encode())


def _words(argument: object) -> list[str]:
    """An argument of a program, and the words of a shell's command line."""
    if not isinstance(argument, str | bytes | os.PathLike):
        return []
    text = os.fsdecode(argument)
    return [text, *(word.strip("\"';&|()<>") for word in text.split())]


class _Native:
    """The process of `mlspec/inotify.py`."""

    def __init__(self, root: Path) -> None:
        program = [sys.executable, "-I", "-S", str(Path(__file__).with_name("inotify.py")), str(root)]
        pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
        self.process = subprocess.Popen(program, bufsize=0, stdin=pipe, stdout=pipe, stderr=quiet)
        assert self.process.stdout is not None
        self._answers = io.TextIOWrapper(io.BufferedReader(self.process.stdout))  # type: ignore[type-var]
        self._answer()

    def ask(self, what: bytes) -> str:
        """The answer to `p` (leave out what is opened from now on), `r` (no longer) or `q` (all that was opened)."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.write(what)
        return self._answer()

    def _answer(self) -> str:
        with suppress(OSError):
            return self._answers.readline()
        return ""

    def end(self, seen: Seen) -> None:
        """Add what was opened."""
        try:
            found = json.loads(self.ask(b"q"))
        except ValueError:
            found = {"blind": "its process was ended"}
        self.process.wait()
        seen.native.update(found.get("native", ()))
        seen.folders.update(found.get("folders", ()))
        seen.blind.extend([found["blind"]] if found["blind"] else [])


_native: list[_Native] = []
"""At most one, of the process that watches."""


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return isinstance(flags, int) and flags & os.O_ACCMODE != os.O_RDONLY


_hooks: list[_Hook] = []
"""The hook at work, if any: Python has no way to remove one."""


_readers: list[_Reads] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    hooks: list[_Hook | _Reads] = [*_hooks, *_readers]
    for hook in hooks:
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
    if sys.platform == "linux":
        _native.append(_Native(root))
    else:
        seen.blind.append("")
    variables = WatchedProject(str(root), str(file)).to_env()
    os.environ.update(variables)
    join()
    try:
        yield seen
    finally:
        _hooks.clear()
        for name in variables:
            del os.environ[name]
        for line in file.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # a process that was killed while it wrote
                what, path = json.loads(line)
                getattr(seen, what).add(path)
        file.unlink()
        while _native:
            _native.pop().end(seen)


@contextmanager
def paused() -> Iterator[None]:
    """Read files that the stage's result does not depend on."""
    kept = list(_hooks)
    _hooks.clear()
    for native in _native:
        native.ask(b"p")
    try:
        yield
    finally:
        for native in _native:
            native.ask(b"r")
        _hooks.extend(kept)


class _Reads:
    """Keeps what this process opens for reading."""

    def __init__(self, root: Path) -> None:
        self._roots = tuple({root, root.resolve()})
        self.found: set[str] = set()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike) or _writes(*arguments[1:3]):
            return
        path = Path(os.path.abspath(os.fsdecode(arguments[0])))
        below = next((path.relative_to(root) for root in self._roots if path.is_relative_to(root)), None)
        if (
            below is not None
            and not path.is_relative_to(sys.prefix)
            and not {"site-packages", ".git"} & set(below.parts)
        ):
            self.found.add(below.as_posix())


@contextmanager
def opening(root: Path) -> Iterator[set[str]]:
    """The files of the project that Python code of this process opens for reading in the block."""
    hook = _Reads(root)
    _readers.append(hook)
    _install()
    try:
        yield hook.found
    finally:
        _readers.remove(hook)


def join() -> None:
    """Watch this process, where it belongs to a stage that is watched."""
    project = WatchedProject.from_env(os.environ)
    if project is not None and not _hooks:
        _hooks.append(_Hook(project.root, project.file))
        _install()


def pytest_configure() -> None:
    """As a plugin of pytest (`-p mlspec.watch`)."""
    join()
