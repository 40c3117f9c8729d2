"""Runs the program `git`, which may be missing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_LIMIT: Final = 60.0
"""Seconds for a command that reads: a repository on a network drive that hangs must not stop what asks for it."""
_ALWAYS: Final = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
"""Reading takes no lock that a command of the user could meet; nothing asks for a password; messages are in English."""


def git_bytes(root: Path, *arguments: str, limit: float = _LIMIT) -> bytes | None:
    """What git prints in `root`; None without git, where it fails, and where it takes longer than `limit` seconds."""
    try:
        done = run_git(root, *arguments, limit=limit)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def git_text(root: Path, *arguments: str) -> str | None:
    """The same as text, without white space around it; bytes that are not UTF-8 are kept as surrogates."""
    output = git_bytes(root, *arguments)
    return None if output is None else output.decode("utf-8", errors="surrogateescape").strip()


def run_git(
    root: Path,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    given: bytes = b"",
    limit: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run git in `root` with `given` on its stdin, for at most `limit` seconds.

    Raises OSError where git is missing, and subprocess.TimeoutExpired.
    """
    environment = {**os.environ, **_ALWAYS, **(variables or {})}
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, env=environment, input=given, capture_output=True, timeout=limit)
