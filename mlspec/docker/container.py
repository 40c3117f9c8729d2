"""One container of an image, without capabilities: started, asked from inside or by a published port, removed."""

from __future__ import annotations

import http.client
import io
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from mlspec.docker.client import Docker
from mlspec.docker.failures import failure, last_line
from mlspec.errors import StageError

JsonAnswer = dict[str, object] | list[object] | str | float | bool | None
"""What a server may answer."""
_LOCKED: Final = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges")
NO_NETWORK: Final = ("--network", "none")
READ_ONLY: Final = ("--read-only", "--tmpfs", "/tmp")  # noqa: S108 - the folder in the container
_START_SECONDS: Final = 60
_SINCE_START: Final = 10_000
"""Lines of a log: more than a few requests write."""
# Sends the requests from stdin to the server in the same container, one after the other, retrying until it listens, and
# writes its answers to stdout; a NUL, which JSON has none of, stands between two. Without a network this is the only
# access; -S keeps the memory that it uses in the container small.
_REQUESTS: Final = """\
import socket, sys, time
end = time.monotonic() + float(sys.argv[2])
def connected():
    while True:
        try:
            return socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
for number, request in enumerate(sys.stdin.buffer.read().split(bytes(1))):
    s = connected()
    s.sendall(request)
    sys.stdout.buffer.write(bytes(1 if number else 0))
    for data in iter(lambda: s.recv(65536), b""):
        sys.stdout.buffer.write(data)
    s.close()
"""
_SEPARATOR: Final = "\0"
# The sum of the peak resident memory of all processes of the container except this one, in kB.
_PEAK: Final = """\
import glob, os, re
own = "/proc/%d/status" % os.getpid()
texts = [open(f).read() for f in glob.glob("/proc/[0-9]*/status") if f != own]
print(sum(int(m[1]) for t in texts for m in re.finditer(r"VmHWM:\\s+(\\d+)", t)))
"""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """The state of a container."""

    running: bool
    out_of_memory: bool
    """Whether the kernel killed its first process for lack of memory."""
    exit_code: int


@dataclass(frozen=True, slots=True)
class Container:
    """A container that was started."""

    docker: Docker
    id: str
    memory: int | None = None
    """Its limit in megabytes; None without one."""

    def state(self, within: float = 0.0) -> ContainerState:
        """Its state; that of a stopped container where it was removed. It may still end `within` seconds."""
        if within:
            with suppress(subprocess.TimeoutExpired):
                self.docker.run("wait", self.id, timeout=within)
        done = self.docker.run("inspect", "--format", "{{json .State}}", self.id)
        state = json.loads(done.stdout) if done.returncode == 0 else {}
        return ContainerState(
            running=bool(state.get("Running")),
            out_of_memory=bool(state.get("OOMKilled")),
            exit_code=int(state.get("ExitCode") or 0),
        )

    def ask(self, port: int, method: str, path: str, body: bytes = b"") -> tuple[int, JsonAnswer]:
        """Status and JSON of one request to the server in it, sent from inside. Raises StageError without an answer."""
        return self.ask_all(port, method, path, [body])[0]

    def ask_all(self, port: int, method: str, path: str, bodies: Sequence[bytes]) -> list[tuple[int, JsonAnswer]]:
        """The same for several requests, one after the other, of a single command of Docker."""
        if not bodies:
            return []
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        requests = (
            f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n" + body.decode() for body in bodies
        )
        began = time.monotonic()
        command = ("exec", "-i", self.id, "python", "-S", "-c", _REQUESTS, str(port), str(_START_SECONDS))
        done = self.docker.run(*command, input=_SEPARATOR.join(requests))
        answers = done.stdout.split(_SEPARATOR)
        if done.returncode or len(answers) != len(bodies) or not all(answers):
            raise self._no_answer(done.stderr, began + _START_SECONDS)
        return [parse_response(answer) for answer in answers]

    def port(self, inner: int) -> int | None:
        """The port of 127.0.0.1 that its port `inner` is published on; None where it does not run."""
        lines = self.docker.run("port", self.id, str(inner)).stdout.strip().splitlines()
        number = lines[0].rpartition(":")[2] if lines else ""
        return int(number) if number.isdigit() else None

    def peak(self) -> int | None:
        """The most bytes of memory that its processes used so far; None where that cannot be read."""
        output = self.docker.run("exec", self.id, "python", "-S", "-c", _PEAK).stdout.strip()
        return int(output) * 1024 if output.isdigit() else None

    def killed(self) -> bool:
        """Whether a process of it was killed for lack of memory. Only the logs of Lambda's emulator show that of a
        process that the emulator started."""
        return self.state().out_of_memory or "exited with error: signal: killed" in self.logs(_SINCE_START)

    def logs(self, lines: int = 20) -> str:
        """The last lines of its output."""
        done = self.docker.run("logs", "--tail", str(lines), self.id)
        return (done.stdout + done.stderr).strip()

    def changed(self) -> list[str]:
        """Paths that differ from the image, without their parent folders."""
        lines = [line.split(maxsplit=1) for line in self.docker.output("diff", self.id).splitlines()]
        paths = [path for _, path in lines]
        return [path for path in paths if not any(other.startswith(f"{path}/") for other in paths)]

    def kill(self) -> None:
        """Kill its processes."""
        self.docker.run("kill", self.id)

    def remove(self) -> None:
        """Kill and remove it, with its volumes."""
        self.docker.run("rm", "--force", "--volumes", self.id)

    def out_of_memory(self) -> StageError:
        """The error for a container that was killed for lack of memory."""
        message = f"the image needs more than its {self.memory} MB of memory"
        return StageError(message, help="raise deploy.lambda.memory, or quantize the model (export.onnx.quantize)")

    def _no_answer(self, output: str, end: float) -> StageError:
        """Why there was no answer. Before `end` the request was not given up but stopped with the container, and the
        engine may take a moment to report that."""
        state = self.state()
        while state.running and time.monotonic() < end:
            time.sleep(0.1)
            state = self.state()
        if self.killed():
            return self.out_of_memory()
        if state.running:
            return StageError(f"the image does not answer within {_START_SECONDS} s of its start", help=self.logs())
        return StageError(f"the image stops at its start with exit code {state.exit_code}", help=self.logs() or output)


def start(
    docker: Docker, image: str, options: Sequence[str], command: Sequence[str] = (), *, memory: int | None = None
) -> Container:
    """A container of `image` without capabilities, in the background. Raises StageError where it does not start."""
    limits = (f"--memory={memory}m", f"--memory-swap={memory}m") if memory else ()
    done = docker.run("run", "--detach", *_LOCKED, *limits, *options, image, *command)
    id = last_line(done.stdout)
    if done.returncode:
        if id:
            Container(docker, id).remove()
        raise failure("the image does not start", done.stderr)
    return Container(docker, id, memory)


@contextmanager
def running(
    docker: Docker, image: str, options: Sequence[str], command: Sequence[str] = (), *, memory: int | None = None
) -> Iterator[Container]:
    """A container of `image` without network and capabilities, removed at the end."""
    container = start(docker, image, (*NO_NETWORK, *options), command, memory=memory)
    try:
        yield container
    finally:
        container.remove()


def parse_response(text: str) -> tuple[int, JsonAnswer]:
    """Status and JSON of an HTTP response."""
    response = http.client.HTTPResponse(_Received(text.encode()))  # type: ignore[arg-type]
    try:
        response.begin()
        return response.status, json.loads(response.read() or b"null")
    except (http.client.HTTPException, ValueError):
        raise StageError("the image does not answer with JSON over HTTP", help=text[:500]) from None


class _Received:
    """A response for http.client in place of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._data)
