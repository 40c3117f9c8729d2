"""A Python whose programs start with the heavy imports done: a server that has them forks once for each start.

Its folder has a `python` and an `mlspec`. `mlspec`, `python -m mlspec`, `python -m dvc` and `python -m pytest`, and what
`multiprocessing` spawns, run in such a fork, with the arguments, working folder, variables and files of the client; everything else runs in the Python of
the tests. `warm_python()` starts the server for the first test that needs it. A test of start-up, signals or imports
needs a process of its own: `sys.executable`.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import marshal
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.huge_pages import use_huge_pages

CHECKOUT = Path(__file__).resolve().parent.parent
MODULES = ("dvc", "mlspec", "pytest")
"""What `python -m` runs in a fork."""
CLIENT = """\
#!{python} -IS
import marshal, os, _signal, _socket, sys

words = sys.argv[1:]
if os.path.basename(sys.argv[0]) == "mlspec":
    words = ["-m", "mlspec", *words]
files = [0, 1, 2]
if "--multiprocessing-fork" in words:
    words = words[words.index("-c") :]
    files += [int(n) for n in os.listdir("/proc/self/fd") if int(n) > 2 and os.path.exists(f"/proc/self/fd/{{n}}")]
    files = [file for file in files if os.get_inheritable(file)]
elif words[:1] != ["-m"] or words[1:2] == [] or words[1] not in {modules}:
    os.execv("{python}", ["{python}", *words])
request = marshal.dumps({{"words": words, "folder": os.getcwd(), "variables": dict(os.environ), "files": files}})
server = _socket.socket(_socket.AF_UNIX)
server.connect("{address}")
numbers = b"".join(file.to_bytes(4, sys.byteorder) for file in files)
server.sendmsg([len(request).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)])
server.sendall(request)
for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
    _signal.signal(number, lambda number, _: server.send(bytes([number])))
answer = server.recv(4, _socket.MSG_WAITALL)
code = int.from_bytes(answer, "big", signed=True) if answer else 70
if code < 0:
    if -code != _signal.SIGKILL:
        _signal.signal(-code, _signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""
"""It imports nothing but what Python has built in: `json`, `signal` and `socket` would take twice the time of a start."""


@dataclass(frozen=True)
class WarmPython:
    """The folder with the programs `python` and `mlspec`."""

    bin: Path

    @property
    def python(self) -> str:
        """The path of `python`."""
        return str(self.bin / "python")

    def variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        """`variables` with these programs first on PATH, and mlspec from this checkout."""
        return {
            **variables,
            "PATH": os.pathsep.join([str(self.bin), os.path.dirname(sys.executable), variables["PATH"]]),
            "PYTHONPATH": str(CHECKOUT),
        }


def start(folder: Path, owner: int, imports: str = "tests.warm_imports", path: Sequence[Path] = ()) -> None:
    """Write the programs into `folder` and start their server, which ends with the process `owner`.

    `prepare` of the module `imports` is what it does before it forks; `path` comes first on its own path.
    """
    address = f"{tempfile.mkdtemp(prefix='warm-')}/socket"  # the path of a socket has at most 107 bytes
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    for name in ("python", "mlspec"):
        program = folder / name
        program.write_text(CLIENT.format(python=sys.executable, modules=MODULES, address=address))
        program.chmod(0o755)
    command = [sys.executable, "-u", "-m", __name__, str(listener.fileno()), str(owner)]
    command += [str(folder / "python"), imports]
    _SERVERS.append(
        subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, CHECKOUT))), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=(folder / "log").open("wb"),
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    )
    listener.close()


_SERVERS: list[subprocess.Popen[bytes]] = []
"""Referenced until the end of the run: a server stops with the process `owner`."""
_FOLDERS: list[Callable[[], Path]] = []
"""The function that returns the folder of the programs, with their server running."""


def provide(folder: Callable[[], Path]) -> None:
    """Set what returns the folder of the programs; it starts their server in the first call."""
    _FOLDERS[:] = [folder]


def warm_python() -> WarmPython:
    """The programs of this test run, one server for all workers."""
    return WarmPython(_FOLDERS[0]())


@dataclass(eq=False)
class _Program:
    """A fork that runs what a client asked for. The server is its parent: one more fork would copy as many pages."""

    words: Sequence[str]
    process: int
    ended: int
    """Readable once the process has ended."""
    client: socket.socket | None
    """None once the client is gone."""

    def hand_on(self) -> None:
        """Send the process the signal that its client got."""
        assert self.client is not None
        number = b""
        with contextlib.suppress(ConnectionError):
            number = self.client.recv(1)
        os.kill(self.process, number[0] if number else signal.SIGTERM)  # the client is gone: as `die_with_parent`
        if not number:
            self.client.close()
            self.client = None

    def finish(self) -> None:
        """Send the client the exit code."""
        _, status, used = os.wait4(self.process, 0)
        code, seconds = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
        print(f"{seconds:6.2f} s of CPU, exit code {code}: {' '.join(self.words)}", flush=True)
        os.close(self.ended)
        if self.client is not None:
            with contextlib.suppress(OSError):
                self.client.sendall(struct.pack("!i", code))
            self.client.close()


def _serve(listener: socket.socket, owner: int, python: str, imports: str) -> None:
    gc.disable()
    importlib.import_module(imports).prepare()
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]  # a project has its own
    sys.executable = python
    gc.collect()
    gc.freeze()  # else the first collection of each fork visits, and so copies, all that was imported
    gc.set_threshold(20_000)
    gc.enable()
    use_huge_pages()
    owner_ended = os.pidfd_open(owner)
    running: list[_Program] = []
    while owner_ended not in (ready := _ready(listener, owner_ended, running)):
        for program in running:
            if program.ended in ready:
                program.finish()
            elif program.client in ready:
                program.hand_on()
        running = [program for program in running if program.ended not in ready]
        if listener in ready and (begun := _begin(listener, owner_ended, running)):
            running.append(begun)
    for program in running:
        os.kill(program.process, signal.SIGTERM)
    address = Path(listener.getsockname())
    address.unlink()
    address.parent.rmdir()


def _ready(listener: socket.socket, owner_ended: int, running: Sequence[_Program]) -> list[object]:
    """Wait for what is to be read."""
    ended, clients = [program.ended for program in running], [program.client for program in running if program.client]
    return list(select.select([listener, owner_ended, *ended, *clients], [], [])[0])


def _begin(listener: socket.socket, owner_ended: int, running: Sequence[_Program]) -> _Program | None:
    """Fork for the next client; None where it was killed before it had asked."""
    client, _ = listener.accept()
    header, files, _, _ = socket.recv_fds(client, 4, 64)
    text = client.recv(int.from_bytes(header, "big"), socket.MSG_WAITALL) if len(header) == 4 else b""
    try:
        request = marshal.loads(text)
    except (EOFError, ValueError):
        client.close()
        request = None
    process = os.fork() if request else None
    if process == 0:
        for open_one in (listener, client, *filter(None, (program.client for program in running))):
            open_one.close()
        for number in (owner_ended, *(program.ended for program in running)):
            os.close(number)
        _become(dict(zip(request["files"], files, strict=True)), request["folder"], request["variables"])
        _run(request["words"])
    for file in files:
        os.close(file)
    if process is None:
        return None
    return _Program(request["words"], process, os.pidfd_open(process), client)


def _become(files: Mapping[int, int], folder: str, variables: Mapping[str, str]) -> None:
    """Take the files, the folder and the variables of the client: `files` has its numbers, and what was received."""
    above = max((*files, *files.values())) + 1
    moved = {target: fcntl.fcntl(file, fcntl.F_DUPFD, above) for target, file in files.items()}
    for file in files.values():
        os.close(file)
    for target, file in moved.items():
        os.dup2(file, target)
        os.close(file)
    own = os.environ["PYTHONPATH"].split(os.pathsep)
    entries = [entry for entry in sys.path[1:] if entry not in own]
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.path[:] = [folder, *filter(None, variables.get("PYTHONPATH", "").split(os.pathsep)), *entries]


def _run(words: Sequence[str]) -> None:
    """`python WORDS`, which are `-m MODULE ...` or `-c CODE ...`. Does not return."""
    option, program, *arguments = words
    sys.argv = [program if option == "-m" else option, *arguments]
    code: object = 0
    try:
        if option == "-m":
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            exec(program, {"__name__": "__main__"})
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), *sys.argv[3:])
