"""A local image to a registry, through the Docker client: resumed where the connection drops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mlspec.docker.client import Docker
from mlspec.docker.failures import DROPPED, LOGGED_OUT, failure, last_line, matches, push_failure
from mlspec.errors import StageError

Login = Callable[[], str]
"""Returns a new password of the user `AWS`; called again where the registry does not accept the last one any more."""
_PAUSES: Final = (1.0, 3.0, 9.0)
"""Seconds before each further attempt."""


def upload(docker: Docker, image: str, address: str, login: Login | None, say: Callable[[str], object]) -> None:
    """Push a local image to `HOST/REPOSITORY:TAG`. Layers that the registry has are not sent. Raises StageError."""
    host = address.partition("/")[0]
    if login:
        _login(docker, host, login)
    done = docker.run("tag", image, address)
    if done.returncode:
        raise failure(f"cannot tag the image as {address}", done.stderr)
    try:
        _push(docker, address, login, say)
    finally:
        docker.run("image", "rm", address)  # the tag alone: the image keeps its other names


def _push(docker: Docker, address: str, login: Login | None, say: Callable[[str], object]) -> None:
    for pause in (*_PAUSES, None):
        done = docker.run("push", address)
        if done.returncode == 0:
            return
        line = last_line(done.stderr) or last_line(done.stdout)
        logged_out = login is not None and matches(LOGGED_OUT, line)
        if pause is None or not (logged_out or matches(DROPPED, line)):
            raise push_failure(address, line)
        say(f"push interrupted ({line}); retrying in {pause:.0f} s")
        docker.pause(pause)
        if login and logged_out:
            _login(docker, address.partition("/")[0], login)
    raise AssertionError


def _login(docker: Docker, host: str, login: Login) -> None:
    done = docker.run("login", "--username", "AWS", "--password-stdin", host, input=login())
    if done.returncode:
        help = "the credentials need ecr:GetAuthorizationToken, as in ecr/push-policy.json"
        raise StageError(f"docker login to {host} failed: {last_line(done.stderr)}", help=help)
