"""Resolves an npm package with its dependencies: npm does it, with the registry that this machine is set up for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final

from mlspec.errors import StageError
from mlspec.job import write_text
from mlspec.source import npm_lock

_COMMAND: Final = (
    "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
    "--omit-lockfile-registry-resolved",
)  # fmt: skip
_TIMEOUT: Final = 900
_NETWORK: Final = "check the network, and the registry in npm's configuration (`npm config get registry`)"


def resolved(root: Path, requirement: str, before: datetime | None, *, upgrade: bool, npm: str = "npm") -> str:
    """The text of package-lock.json for `name@release`: releases before that moment; those of an existing lock are
    preferred, unless `upgrade`. Raises StageError if a package cannot be resolved."""
    program = shutil.which(npm)
    if program is None:
        raise StageError(
            f"npm is not installed, which looks up the packages of {npm_lock.FILE}",
            help="install Node.js 20 or newer, which has npm: https://nodejs.org",
        )
    name, _, release = requirement.rpartition("@")
    with tempfile.TemporaryDirectory() as folder:
        write_text(Path(folder) / "package.json", npm_lock.package_json(name, release))
        output = Path(folder) / "package-lock.json"
        kept = ["package-lock.json"] if not upgrade else []
        for file in (*kept, ".npmrc"):
            if (root / npm_lock.FOLDER / file).is_file():
                shutil.copyfile(root / npm_lock.FOLDER / file, Path(folder) / file)
        age = [f"--before={before.strftime('%Y-%m-%dT%H:%M:%SZ')}"] if before is not None else []
        try:
            done = subprocess.run(
                [program, *_COMMAND, *age], cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT
            )
        except subprocess.TimeoutExpired:
            raise StageError(
                f"no answer about the packages of {npm_lock.FILE} in {_TIMEOUT} s", help=_NETWORK
            ) from None
        if done.returncode:
            raise _failure(done.stderr)
        return _without_addresses(output.read_text(encoding="utf-8"))


def _without_addresses(text: str) -> str:
    """The lock without addresses of a registry, which npm before release 8.4 writes in any case."""
    document = json.loads(text)
    for entry in document["packages"].values():
        if "integrity" in entry:
            entry.pop("resolved", None)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _failure(output: str) -> StageError:
    """The error for the output of npm."""
    lines = [re.sub(r"^npm (?:error|ERR!)\s*", "", line) for line in output.splitlines()]
    shown = [line for line in lines if line and not re.match(r"(code|errno|syscall|A complete log|at )", line)]
    network = re.search(r"E(?:NOTFOUND|CONN\w+|TIMEDOUT|AI_AGAIN)|network", output)
    help = _NETWORK if network else "a release younger than lock.wait is not chosen; see the message of npm"
    return StageError(f"cannot lock {npm_lock.FILE}: {' '.join(shown)[:590]}", help=help)
