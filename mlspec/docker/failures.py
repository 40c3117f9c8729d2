"""Output of Docker, its registries and pip to errors with a fix: one table of all known failures."""

from __future__ import annotations

import re
import sys
from typing import Final, NamedTuple

from mlspec.errors import StageError

START: Final = "open -a Docker" if sys.platform == "darwin" else "sudo systemctl start docker"
PERMIT: Final = "sudo usermod -aG docker $USER, then log in again"
_RESUME: Final = "then: mlspec apply, which resumes after what is built"
_PUSH_POLICY: Final = "the credentials need the permissions in ecr/push-policy.json"


class KnownFailure(NamedTuple):
    """A pattern of output, its meaning, and the fix."""

    pattern: str
    meaning: str
    help: str


_LOCAL: Final = (
    KnownFailure(
        r"permission denied while trying to connect",
        "no permission to use the Docker engine",
        PERMIT,
    ),
    KnownFailure(
        r"Cannot connect to the Docker daemon|error during connect|dial unix|unexpected EOF"
        r"|transport is closing|code = Unavailable|connection reset by peer|^EOF$|error reading from server",
        "the Docker engine does not answer, or it stopped during the command",
        f"{START}, {_RESUME}",
    ),
    KnownFailure(
        r"no space left on device|disk quota exceeded",
        "the disk of the Docker engine is full",
        f"docker builder prune frees space (docker system df shows the usage), {_RESUME}",
    ),
    KnownFailure(
        r"Temporary failure in name resolution|Could not fetch URL|Read timed out|ReadTimeoutError|NewConnectionError"
        r"|no such host|TLS handshake timeout|i/o timeout|net/http: request canceled",
        "the build cannot reach the network",
        f"check the network and the proxy settings of the engine, {_RESUME}",
    ),
    KnownFailure(
        r"pull access denied|manifest unknown|manifest for \S+ not found|failed to resolve source metadata"
        r"|repository does not exist|(?:name|tag) (?:unknown|invalid)|: not found: manifest",
        "the base image does not exist, or this machine may not pull it",
        "check package.docker.base and Dockerfile.lock; docker login, if the registry requires it",
    ),
    KnownFailure(
        r"DO NOT MATCH THE HASHES|Hashes are required in --require-hashes mode|^\s*Expected sha256",
        "a package is not the one whose hash is in requirements-serve.txt",
        "if you did not edit the file, do not use the package: its file was replaced; else: mlspec build, mlspec lock",
    ),
    KnownFailure(
        r"No matching distribution found|Could not find a version",
        "a package in requirements-serve.txt has no wheel for that Python and processor",
        "check package.docker.python and package.docker.platform",
    ),
    KnownFailure(
        r"exec format error",
        "the engine cannot run programs for that processor",
        "build on such a machine, or install emulation: docker run --privileged --rm tonistiigi/binfmt --install all",
    ),
)
DROPPED: Final = KnownFailure(
    r"connection (?:was )?(?:reset|refused|closed)|broken pipe|EOF|timeout|timed out|TLS handshake|no such host|"
    r"use of closed|unexpected (?:HTTP )?status(?: code)?(?: from \S+ request to \S+)?:? 5\d\d|"
    r"blob upload (?:unknown|invalid)|Service Unavailable|Bad Gateway|Gateway Timeout|toomanyrequests|Rate exceeded",
    "the connection to the registry was dropped on each attempt",
    "check the network, then: mlspec apply; layers that the registry has are not sent again",
)
LOGGED_OUT: Final = KnownFailure(
    r"no basic auth credentials|authorization token has expired|401|authentication required",
    "the registry does not accept the login",
    _PUSH_POLICY,
)
_PUSH: Final = (
    DROPPED,
    KnownFailure(
        r"immutable|already exists",
        "the tag exists with another content, and tags are immutable",
        "commit the changes, then: mlspec apply",
    ),
    KnownFailure(r"does not exist|name unknown", "the repository does not exist", "mlspec apply creates it"),
    KnownFailure(r"denied|not authorized|403", "the registry does not accept the push", _PUSH_POLICY),
    LOGGED_OUT,
)
"""The first that matches counts."""


def failure(what: str, output: str) -> StageError:
    """The error for the output of a build, a start or an installation that failed."""
    lines = [line.strip() for line in output.strip().splitlines() if line.strip()]
    for known in _LOCAL:
        if re.search(known.pattern, output, re.MULTILINE | re.IGNORECASE):
            line = next(line for line in reversed(lines) if matches(known, line))
            return StageError(f"{what}: {known.meaning} ({_short(line)})", help=known.help)
    reason = _short(lines[-1]) if lines else "docker printed no reason"
    return StageError(f"{what}: {reason}", help="read the whole output: mlspec logs STAGE")


def push_failure(address: str, line: str) -> StageError:
    """The error for a push to `address` whose output ended with `line`."""
    for known in _PUSH:
        if matches(known, line):
            return StageError(f"cannot push {address}: {known.meaning} ({_short(line)})", help=known.help)
    return StageError(f"cannot push {address}: {_short(line)}", help=f"docker push {address} shows the same error")


def matches(known: KnownFailure, output: str) -> bool:
    """Whether the output is of that failure."""
    return re.search(known.pattern, output, re.MULTILINE | re.IGNORECASE) is not None


def last_line(text: str) -> str:
    """The last line that is not empty; "" of an empty text."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


def _short(line: str) -> str:
    return line if len(line) <= 300 else f"{line[:290]} ..."
