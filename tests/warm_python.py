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
import logging
import marshal
import multiprocessing.util
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
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
MODULES = ("dvc", "mlspec", "pytest")
"""What `python -m` runs in a fork."""
PRELOADED = (
    *(f"mlspec.cli.commands.{name}" for name in ("apply", "build", "plan", "releases", "report", "run", "status")),
    *(
        "mlspec.cli.app",
        "mlspec.cli.applying",
        "mlspec.cli.command_line",
        "mlspec.cli.deployed",
        "mlspec.cli.plan_text",
    ),
    *("mlspec.run.program", "mlspec.run.sweeper", "mlspec.apply.execute", "mlspec.apply.remote", "mlspec.report.page"),
    *(f"mlspec.parts.{part}.work" for part in ("data", "train", "evaluate", "export", "test", "registry", "deploy")),
    *("mlspec.runtime.preprocess.tabular", "omegaconf._impl", "pyarrow.dataset", "pyarrow.pandas_compat", "s3fs"),
    *("torch.onnx._internal.exporter._compat", "torch.utils.serialization", "torch.export.pt2_archive._package"),
    *("onnxscript.optimizer", "onnxscript.function_libs.torch_lib.ops", "sympy.combinatorics", "sympy.tensor.tensor"),
    *("dvc.cli.parser", "dvc.commands.repro", "dvc.compare", "dvc.data_cloud", "dvc.repo.index", "dvc.repo.stage"),
    *(
        "dvc.cachemgr",
        "dvc.lock",
        "dvc.repo.metrics",
        "dvc.repo.plots",
        "dvc.rwlock",
        "dvc.scm",
        "dvc.utils.strictyaml",
    ),
    *(
        "configobj",
        "dulwich.porcelain",
        "flufl.lock",
        "networkx",
        "pandas",
        "ruamel.yaml",
        "scmrepo.git",
        "zc.lockfile",
    ),
    *("boto3", "botocore.client", "botocore.handlers", "botocore.parsers"),
    *(f"mlspec.cli.{name}" for name in ("commands.labels", "commands.monitor", "labelling", "monitor_text")),
    *("mlspec.cli.retrain_command", "mlspec.monitoring.challenge", "mlspec.monitoring.observation"),
    *("mlspec.monitoring.pushgateway", "mlspec.report.monitor_page", "scipy.stats", "sklearn.isotonic"),
)
"""What several of these programs import, often only when they need it."""
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
server = _socket.socket(_socket.AF_UNIX)
server.connect("{address}")
request = marshal.dumps({{"words": words, "folder": os.getcwd(), "variables": dict(os.environ), "files": files}})
numbers = b"".join(file.to_bytes(4, sys.byteorder) for file in files)
server.sendmsg([len(request).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)])
server.sendall(request)
for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
    _signal.signal(number, lambda number, _: server.send(bytes([number])))
answer = server.recv(4, _socket.MSG_WAITALL)
code = int.from_bytes(answer, "big", signed=True) if answer else 70
if code < 0:
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


def start(folder: Path, owner: int) -> None:
    """Write the programs into `folder` and start their server, which ends with the process `owner`."""
    address = f"{tempfile.mkdtemp(prefix='warm-')}/socket"  # the path of a socket has at most 107 bytes
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    for name in ("python", "mlspec"):
        program = folder / name
        program.write_text(CLIENT.format(python=sys.executable, modules=MODULES, address=address))
        program.chmod(0o755)
    command = [sys.executable, "-u", "-m", __name__, str(listener.fileno()), str(owner), str(folder / "python")]
    _SERVERS.append(
        subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"},
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


def _serve(listener: socket.socket, owner: int, python: str) -> None:
    gc.disable()
    _prepare()
    sys.executable = python
    gc.collect()
    gc.freeze()  # else the first collection of each fork visits, and so copies, all that was imported
    gc.set_threshold(20_000)
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    ended = os.pidfd_open(owner)
    while ended not in select.select([listener, ended], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _supervise(connection)
        connection.close()
    address = Path(listener.getsockname())
    address.unlink()
    address.parent.rmdir()


def _prepare() -> None:
    """Do once what each of the programs would do: imports, models, templates."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    from mlspec.compiler import compile_project
    from mlspec.records.record_file import Value
    from mlspec.report.page_environment import page_environment
    from tests.aws_models import keep_models
    from tests.onnx_operators import keep_operators

    for name in PRELOADED:
        importlib.import_module(name)
    compile_project(CHECKOUT / "specs" / "full" / "mlproject.yaml")  # builds the models of all sections
    for model in _descendants(Value):
        model.model_rebuild()
    pages = page_environment()
    for name in pages.list_templates(filter_func=lambda name: name.startswith("report/")):
        pages.get_template(name)
    keep_models()
    keep_operators()
    ONNXRegistry.from_torchlib()  # parses the source of its operators
    _forget_ends()
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]  # a project has its own


def _descendants(model: Any) -> Iterator[Any]:
    for inner in model.__subclasses__():
        yield from (inner, *_descendants(inner))


def _forget_ends() -> None:
    """Of what a process does at its end, leave out what takes longer than a short program: PyTorch's statistics, and
    the removal of each of its operators, one after the other."""
    import colorama.initialise
    import torch.utils.data._utils

    for end in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        end.atexit = False
    atexit._clear()
    atexit.register(logging.shutdown)
    atexit.register(torch.utils.data._utils._set_python_exit_flag)
    atexit.register(multiprocessing.util._exit_function)  # type: ignore[attr-defined]
    atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
    atexit.register(colorama.initialise.reset_all)


def _supervise(connection: socket.socket) -> None:
    """Run what a client asks for, hand its signals on, and send it the exit code. Does not return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    header, files, _, _ = socket.recv_fds(connection, 4, 64)
    (length,) = struct.unpack("!I", header)
    request = marshal.loads(connection.recv(length, socket.MSG_WAITALL))
    process = os.fork()
    if process == 0:
        connection.close()
        _become(dict(zip(request["files"], files, strict=True)), request["folder"], request["variables"])
        _run(request["words"])
    for file in files:
        os.close(file)
    ended = os.pidfd_open(process)
    waiting: list[object] = [connection, ended]
    while ended not in (ready := select.select(waiting, [], [])[0]):
        if connection in ready:
            number = connection.recv(1)
            os.kill(process, number[0] if number else signal.SIGTERM)  # the client is gone: as `die_with_parent`
            waiting = waiting if number else [ended]
    _, status, used = os.wait4(process, 0)
    code = os.waitstatus_to_exitcode(status)
    print(f"{used.ru_utime + used.ru_stime:6.2f} s of CPU, exit code {code}: {' '.join(request['words'])}", flush=True)
    with contextlib.suppress(OSError):
        connection.sendall(struct.pack("!i", code))
    os._exit(0)


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
    _serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), sys.argv[3])
