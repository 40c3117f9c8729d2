"""A run of a function's unpacked code in a process of its own: through AWS's emulator, or called directly.

The process imports that code and the standard library only, connects to this machine only, and writes to the temporary
folder only: what Lambda does not allow is refused here too.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlspec.errors import StageError
from mlspec.parts.package import lambda_emulator

_SECONDS: Final = 60
_LOCK: Final = """\
import os, sys
task, more = sys.argv[1], sys.argv[2]
def watch(event, given):
    if event == "socket.connect" and isinstance(given[1], tuple) and given[1][0] not in ("127.0.0.1", "::1"):
        raise OSError("the function connects to %s as it starts; it must not need the network" % given[1][0])
    if event == "socket.getaddrinfo" and given[0] not in ("127.0.0.1", "::1", "localhost", None):
        raise OSError("the function looks for %s as it starts; it must not need the network" % given[0])
    if event == "open" and isinstance(given[0], str) and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        path = os.path.abspath(given[0])
        if not path.startswith((os.environ["TMPDIR"], "/tmp/", "/dev/")) or path.startswith(task):
            raise OSError(30, "read-only: Lambda lets a function write to /tmp alone", path)
sys.addaudithook(watch)
sys.path[:0] = [task, more]
os.chdir(task)
"""
_SERVE: Final = (
    _LOCK
    + """\
import runpy
sys.argv = ["awslambdaric", sys.argv[3]]
runpy.run_module("awslambdaric", run_name="__main__")
"""
)
_CALL: Final = (
    _LOCK
    + """\
import importlib, json
module, _, name = sys.argv[3].rpartition(".")
handle = getattr(importlib.import_module(module), name)
answers = [handle(event, None) for event in json.load(sys.stdin)]
sys.stdout.write("\\n" + json.dumps(answers))
sys.stdout.flush()
peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
sys.stdout.write("\\n" + peak[0])
"""
)


@dataclass(frozen=True, slots=True)
class Invocation:
    """The result of a run."""

    answers: list[object]
    """One result for each event."""
    seconds: float
    """From the start of the process to the first result; of a direct call, to the end."""
    peak: int | None
    """Peak memory in bytes; None where it cannot be read."""


def without_emulator(program: Path, task: Path, handler: str, events: Sequence[bytes]) -> Invocation:
    """Import the handler and call it. Raises StageError where it fails."""
    began, input = time.monotonic(), b"[" + b",".join(events) + b"]"
    with tempfile.TemporaryDirectory(prefix="mlspec-") as home:
        command = [str(program), "-I", "-S", "-c", _CALL, str(task), "", handler]
        done = subprocess.run(command, input=input, capture_output=True, env=_environment(home, task))
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if done.returncode or len(lines) < 2:
        raise _failed(done.stderr.decode("utf-8", "replace"))
    return Invocation(json.loads(lines[-2]), time.monotonic() - began, int(lines[-1]) * 1024)


def through_emulator(
    binary: Path, program: Path, task: Path, client: Path, handler: str, events: Sequence[bytes]
) -> Invocation:
    """Start the handler as Lambda does, with `client` (awslambdaric) on its path, and send it each event."""
    outer, inner = _free_ports()
    address = f"http://127.0.0.1:{outer}{lambda_emulator.PATH}"
    emulator = [
        str(binary),
        *("--runtime-interface-emulator-address", f"127.0.0.1:{outer}"),
        *("--runtime-api-address", f"127.0.0.1:{inner}"),
    ]
    with tempfile.TemporaryDirectory(prefix="mlspec-") as home:
        command = [*emulator, str(program), "-I", "-S", "-c", _SERVE, str(task), str(client), handler]
        log = Path(home) / "log"
        began = time.monotonic()
        with _started(command, home, task, log) as process:
            answers: list[object] = []
            seconds = 0.0
            for event in events:
                status, answer = _ask(process, address, event, log)
                if status != 200 or (isinstance(answer, dict) and "errorMessage" in answer):
                    text = log.read_text(encoding="utf-8", errors="replace")
                    sys.stdout.write(text)
                    raise _failed(text, answer)
                answers.append(answer)
                seconds = seconds or time.monotonic() - began
            return Invocation(answers, seconds, _peak(process.pid))


@contextmanager
def _started(command: list[str], home: str, task: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=_environment(home, task),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _ask(process: subprocess.Popen[bytes], address: str, event: bytes, log: Path) -> tuple[int, object]:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                address, event, _SECONDS
            ) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)  # it does not listen yet
    raise _failed(log.read_text(encoding="utf-8", errors="replace"))


def _environment(home: str, task: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": home,
        "LANG": "en_US.UTF-8",
        "LAMBDA_TASK_ROOT": str(task),
        "MODEL_BUNDLE": str(task / "bundle"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(_SECONDS),
        "PYTHONUNBUFFERED": "1",
    }


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _peak(group: int) -> int | None:
    """Peak memory of a process in that session: of the function, without the emulator."""
    peaks = [0]
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(stat[3]) == group and folder.name != str(group):
                lines = (folder / "status").read_text().splitlines()
                peaks += [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
    return max(peaks) or None


def _failed(output: str, answer: object = None) -> StageError:
    """The error for a function that failed, with its own reason: in its result, or in its output."""
    lines = [line.strip() for line in output.strip().splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line]
    reason = next(reversed(errors or lines), "it printed no reason")
    if isinstance(answer, dict) and "errorMessage" in answer:
        reason = str(answer["errorMessage"])
    return StageError(f"the function of the zip does not start: {reason[:300]}", help="\n".join(lines[-12:]))
