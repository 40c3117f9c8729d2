"""The Docker command line, with a configuration of its own: the user's logins are neither read nor touched."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mlspec.docker.registry_client import INDEXES, an_index
from mlspec.errors import StageError

Login = Callable[[], str]
"""Gives the password of the user `AWS`, fresh each time; it is asked again when the last is no longer taken."""

_PAUSES: Final = (1.0, 3.0, 9.0)
_DROPPED: Final = re.compile(
    r"connection (?:was )?(?:reset|refused|closed)|broken pipe|EOF|timeout|timed out|TLS handshake|no such host|"
    r"use of closed|unexpected (?:HTTP )?status(?: code)?(?: from \S+ request to \S+)?:? 5\d\d|"
    r"blob upload (?:unknown|invalid)|Service Unavailable|Bad Gateway|Gateway Timeout|toomanyrequests|Rate exceeded",
    re.IGNORECASE,
)
_LOGGED_OUT: Final = re.compile(
    r"no basic auth credentials|authorization token has expired|401|authentication required", re.IGNORECASE
)


@dataclass(frozen=True)
class Docker:
    """A client and the environment that it runs in."""

    client: str
    environment: dict[str, str] = field(repr=False)
    pause: Callable[[float], None] = time.sleep

    def run(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """A finished command with what it wrote; `given` is its standard input."""
        command, text = (
            [self.client, *arguments],
            {"input": given} if given is not None else {"stdin": subprocess.DEVNULL},
        )
        return subprocess.run(command, capture_output=True, text=True, errors="replace", env=self.environment, **text)

    def inspect(self, image: str, name: str = "") -> dict[str, Any]:
        """What the engine knows of an image. `name` is what messages call one that is given by its id."""
        done = self.run("image", "inspect", image)
        if done.returncode:
            shown = f"{name} ({image})" if name else image
            message = f"docker has no image {shown}: {_last(done.stderr)}"
            raise StageError(message, help="build it: mlspec apply --force image")
        found: dict[str, Any] = json.loads(done.stdout)[0]
        if (found.get("Descriptor") or {}).get("mediaType") in INDEXES:
            raise an_index(image)
        return found

    def push(self, image: str, address: str, login: Login | None, say: Callable[[str], object]) -> None:
        """Push a local image to `HOST/REPOSITORY:TAG`. What is dropped halfway is tried again: layers that have
        arrived are not sent twice."""
        host = address.partition("/")[0]
        if login:
            self._login(host, login)
        if (done := self.run("tag", image, address)).returncode:
            raise StageError(f"docker cannot name the image {address}: {_last(done.stderr)}")
        try:
            self._push(address, host, login, say)
        finally:
            self.run("image", "rm", address)  # the name; the image itself stays under its own

    def _push(self, address: str, host: str, login: Login | None, say: Callable[[str], object]) -> None:
        for pause in (*_PAUSES, None):
            done = self.run("push", address)
            if done.returncode == 0:
                return
            said = _last(done.stderr) or _last(done.stdout)
            logged_out = login is not None and bool(_LOGGED_OUT.search(said))
            if pause is None or not (logged_out or _DROPPED.search(said)):
                raise _failed(address, said, dropped=bool(_DROPPED.search(said)))
            say(f"the push was dropped ({said}); trying again in {pause:.0f} s")
            self.pause(pause)
            if login and logged_out:
                self._login(host, login)
        raise AssertionError

    def _login(self, host: str, login: Login) -> None:
        done = self.run("login", "--username", "AWS", "--password-stdin", host, given=login())
        if done.returncode:
            help = "the credentials need ecr:GetAuthorizationToken, as in ecr/push-policy.json"
            raise StageError(f"{host} does not let docker log in: {_last(done.stderr)}", help=help)


@contextmanager
def isolated(scratch: Path) -> Iterator[Docker]:
    """A Docker client for one push: its configuration lies in a folder of its own, which goes when it is done.

    The engine is the one that the user's own configuration leads to, by DOCKER_HOST or by a context.
    """
    client = found()
    host = os.environ.get("DOCKER_HOST") or _context(client)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="docker-") as folder:
        environment = {**os.environ, "DOCKER_CONFIG": folder, **({"DOCKER_HOST": host} if host else {})}
        environment.pop("DOCKER_CONTEXT", None)
        yield Docker(client, environment)


def clients() -> list[str]:
    """Every docker program on this machine, those on PATH first. Raises StageError where there is none."""
    folders = dict.fromkeys([*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"])
    there = [path for folder in folders if (path := shutil.which("docker", path=folder))]
    if not there:
        raise StageError(
            "there is no docker on this machine", help="install Docker: https://docs.docker.com/get-docker"
        )
    return there


def found() -> str:
    """A client that the engine answers to: a new one and an old engine may not speak with each other."""
    for client in clients():
        if _say(client, "version", "--format", "{{.Server.Version}}"):
            return client
    raise StageError("the Docker engine does not answer", help="start it, then: mlspec apply")


def _context(client: str) -> str:
    return _say(client, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")


def _say(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    return done.stdout.strip() if done.returncode == 0 else ""


def _last(text: str) -> str:
    lines: Sequence[str] = text.strip().splitlines()
    return lines[-1] if lines else ""


def _failed(address: str, said: str, *, dropped: bool) -> StageError:
    repository = address.rpartition(":")[0]
    if dropped:
        help = "check the network, then: mlspec apply; layers that have arrived are not sent again"
        return StageError(f"the connection to the registry broke off again and again: {said}", help=help)
    if "immutable" in said or "already exists" in said:
        return StageError(
            f"{address} is there already, with another content", help="its tag is immutable; commit, then: mlspec apply"
        )
    if "does not exist" in said or "name unknown" in said:
        return StageError(f"there is no repository {repository}", help="mlspec apply makes it")
    if "denied" in said or "not authorized" in said or "403" in said:
        help = "the credentials need the rights of ecr/push-policy.json"
        return StageError(f"the registry does not take the push: {said}", help=help)
    return StageError(f"docker push failed: {said}", help=f"docker push {address} alone shows the same")
