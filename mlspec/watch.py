"""Records which files a stage's process and its child processes open, by Python's audit events (PEP 578).

Libraries that open files without Python (pyarrow, polars, memory maps) and programs in other languages raise no event.
On Linux inotify reports those (`mlspec/inotify.py`), but for every process, an editor too, without its id. fanotify has
the id, but needs privileges that a container lacks; LD_PRELOAD and ptrace would change the user's process. Therefore
files that only inotify reports are separate (`Seen.native`), and `run/undeclared_reads.py` decides about them.
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
    """Files in the arguments of started programs; `PYTHON` if one of the programs is Python."""
    native: set[str] = field(default_factory=set)
    """Files that any process of the machine opened."""
    folders: set[str] = field(default_factory=set)
    """Folders that any process listed."""
    blind: list[str] = field(default_factory=list)
    """Reasons why `native` is incomplete."""


class _Hook:
    """Appends each new event to a file; a forked process appends to the same file."""

    def __init__(self, root: str, file: str) -> None:
        self._roots = tuple({f"{root}/", f"{os.path.realpath(root)}/"})
        self._out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._known: set[tuple[str, str]] = set()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            self._note("written" if _writes(mode, flags) else "read", path)
        elif event == "import":
            self._note("read", arguments[1])  # set for extension modules, which Python does not open
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
        if ".." in full.split("/"):  # resolve a link before `..`
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
        """Send `p` (pause), `r` (resume) or `q` (stop and report all opened files), and return the answer."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.write(what)
        return self._answer()

    def _answer(self) -> str:
        with suppress(OSError):
            return self._answers.readline()
        return ""

    def end(self, seen: Seen) -> None:
        """Stop the process and add its report to `seen`."""
        try:
            report = json.loads(self.ask(b"q"))
        except ValueError:
            report = {"blind": "its process was killed"}
        self.process.wait()
        seen.native.update(report.get("native", ()))
        seen.folders.update(report.get("folders", ()))
        seen.blind.extend([report["blind"]] if report["blind"] else [])


native_opens: list[_Native] = []
"""At most one, in the process that watches."""


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return isinstance(flags, int) and flags & os.O_ACCMODE != os.O_RDONLY


_hooks: list[_Hook] = []
"""The active hook, if any: Python cannot remove an audit hook."""


_readers: list[_Reads] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    hooks: list[_Hook | _Reads] = [*_hooks, *_readers]
    for hook in hooks:
        try:
            hook(event, arguments)
        except (OSError, ValueError, TypeError, IndexError):
            continue  # an invalid path or a full disk must not make opening the file fail


@functools.cache
def _install() -> None:
    sys.addaudithook(_audit)


@contextmanager
def watching(root: Path, file: Path) -> Iterator[Seen]:
    """Watch this process and its children; the result is complete when the block ends. `file` is for internal use."""
    seen = Seen()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    if sys.platform == "linux":
        native_opens.append(_Native(root))
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
            with suppress(ValueError):  # of a process that was killed while writing
                what, path = json.loads(line)
                getattr(seen, what).add(path)
        file.unlink()
        while native_opens:
            native_opens.pop().end(seen)


@contextmanager
def paused() -> Iterator[None]:
    """Pause the watch, to read files that the stage's result does not depend on."""
    kept = list(_hooks)
    _hooks.clear()
    for native in native_opens:
        native.ask(b"p")
    try:
        yield
    finally:
        for native in native_opens:
            native.ask(b"r")
        _hooks.extend(kept)


class _Reads:
    """Collects the files that this process opens for reading."""

    def __init__(self, root: Path) -> None:
        self._roots = tuple({root, root.resolve()})
        self.paths: set[str] = set()

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
            self.paths.add(below.as_posix())


@contextmanager
def opening(root: Path) -> Iterator[set[str]]:
    """The files of the project that Python code of this process opens for reading in the block."""
    hook = _Reads(root)
    _readers.append(hook)
    _install()
    try:
        yield hook.paths
    finally:
        _readers.remove(hook)


def join() -> None:
    """Watch this process if it belongs to a watched stage."""
    project = WatchedProject.from_env(os.environ)
    if project is not None and not _hooks:
        _hooks.append(_Hook(project.root, project.file))
        _install()


def pytest_configure() -> None:
    """Hook of the pytest plugin (`-p mlspec.watch`)."""
    join()
