"""One container of an image, locked down and with no network, asked from inside: what it answers and what it took."""

from __future__ import annotations

import http.client
import io
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from mlspec.docker.docker_engine import Client, failure
from mlspec.errors import StageError

LOCKED: Final = ("--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
READ_ONLY: Final = ("--read-only", "--tmpfs", "/tmp")  # noqa: S108 - the folder in the container
_START_SECONDS: Final = 60
# A request from standard input to the server in the same container, patient until it listens; its answer to standard
# output. With no network there is no other way in, and -S keeps what it takes of the container's memory small.
_ASK: Final = """\
import socket, sys, time
end = time.monotonic() + float(sys.argv[2])
while True:
    try:
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
        break
    except ConnectionRefusedError:
        if time.monotonic() > end:
            raise
        time.sleep(0.02)
s.sendall(sys.stdin.buffer.read())
for data in iter(lambda: s.recv(65536), b""):
    sys.stdout.buffer.write(data)
"""
# The highest resident memory of each process of the container but this one, in kB, summed.
_PEAK: Final = """\
import glob, os, re
own = "/proc/%d/status" % os.getpid()
texts = [open(f).read() for f in glob.glob("/proc/[0-9]*/status") if f != own]
print(sum(int(m[1]) for t in texts for m in re.finditer(r"VmHWM:\\s+(\\d+)", t)))
"""


@dataclass(frozen=True, slots=True)
class Container:
    """A running container."""

    docker: Client
    id: str
    memory: int | None
    """Megabytes that it may take, where that is bounded."""

    def ask(self, port: int, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """Status and JSON of one request to the server in it. Raises StageError where no answer comes."""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
        began = time.monotonic()
        command = ("exec", "-i", self.id, "python", "-S", "-c", _ASK, str(port), str(_START_SECONDS))
        done = self.docker.run(*command, given=request)
        if done.returncode or not done.stdout:
            raise self._fallen(done.stderr, began + _START_SECONDS)
        return _response(done.stdout)

    def peak(self) -> int | None:
        """Most bytes of memory that its processes have had so far; None where it cannot be read."""
        said = self.docker.run("exec", self.id, "python", "-S", "-c", _PEAK).stdout.strip()
        return int(said) * 1024 if said.isdigit() else None

    def killed(self) -> bool:
        """Whether the kernel killed a process of it for want of memory. Of one that Lambda's emulator had started,
        only the emulator knows."""
        return bool(self._state().get("OOMKilled")) or "exited with error: signal: killed" in self.logs()

    def logs(self) -> str:
        """The last that it wrote."""
        done = self.docker.run("logs", "--tail", "20", self.id)
        return (done.stdout + done.stderr).strip()

    def changed(self) -> list[str]:
        """Paths that are not as in the image, but for the folders above them."""
        lines = [line.split(maxsplit=1) for line in self.docker.ask("diff", self.id).splitlines()]
        paths = [path for _, path in lines]
        return [path for path in paths if not any(other.startswith(f"{path}/") for other in paths)]

    def out_of_memory(self) -> StageError:
        """What to say of a container that was killed for want of memory."""
        message = f"the image needs more than the {self.memory} MB of memory that it gets"
        return StageError(message, help="raise deploy.lambda.memory, or quantize the model (export.onnx.quantize)")

    def _fallen(self, said: str, end: float) -> StageError:
        """Why there was no answer. Before `end` nobody has lost patience: what asked was ended with the container, and
        the engine may yet take a moment to say so."""
        state = self._state()
        while state.get("Running") and time.monotonic() < end:
            time.sleep(0.1)
            state = self._state()
        if self.killed():
            return self.out_of_memory()
        if state.get("Running"):
            return StageError(f"the image started and answers nothing within {_START_SECONDS} s", help=self.logs())
        return StageError(
            f"the image ends as it starts, with exit code {state.get('ExitCode')}", help=self.logs() or said
        )

    def _state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.docker.ask("inspect", "--format", "{{json .State}}", self.id))
        return found


@contextmanager
def running(
    docker: Client, image: str, options: Sequence[str], command: Sequence[str] = (), *, memory: int | None = None
) -> Iterator[Container]:
    """A container of `image` with no network and no capabilities, removed in the end."""
    bounds = ("--memory", f"{memory}m", "--memory-swap", f"{memory}m") if memory else ()
    done = docker.run("run", "--detach", *LOCKED, *bounds, *options, image, *command)
    container = Container(docker, done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "", memory)
    try:
        if done.returncode:
            raise failure("the image does not start", done.stderr)
        yield container
    finally:
        if container.id:
            docker.run("rm", "--force", "--volumes", container.id)


def _response(text: str) -> tuple[int, Any]:
    """An HTTP response's status and JSON."""
    response = http.client.HTTPResponse(_Received(text.encode()))  # type: ignore[arg-type]
    try:
        response.begin()
        return response.status, json.loads(response.read() or b"null")
    except (http.client.HTTPException, ValueError):
        raise StageError("the image answers what is not HTTP with JSON", help=text[:500]) from None


class _Received:
    """What http.client reads from in place of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._data)
