"""Writes the locks of packages with hashes: uv resolves them, with the registry that this machine is set up for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from mlspec.errors import StageError
from mlspec.job import write_text
from mlspec.parts.test import textattack_environment
from mlspec.run import npm_resolution
from mlspec.run.locked_file import LockedFile, locked_file
from mlspec.run.needed_locks import NeededLock, needed_locks
from mlspec.sections.ci import Ci
from mlspec.sections.lock import LockSpec
from mlspec.sections.package import Package
from mlspec.source import hash_lock, known_bad, npm_lock
from mlspec.spec.project import Project
from mlspec.spec.types import duration_seconds

_ABOUT: Final = """\
# Packages of {what} with their hashes, for every platform, without mlspec itself.
# `mlspec lock` writes this file; commit it.
# pip install --require-hashes --requirement {file}
"""
_OTHER: Final = re.compile(r"^(?:[ \t]*#|-).*\n", re.MULTILINE)
"""Comments and options, which may name the address of a registry if uv is set up so."""
_TIMEOUT: Final = 900


@dataclass(frozen=True)
class PackageLock:
    """Makes the locks of one project. `now` is the end of the waiting period."""

    project: Project
    root: Path
    upgrade: bool = False
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def files(self) -> Iterator[LockedFile]:
        """Every lock that the spec needs. Raises StageError if a package cannot be resolved."""
        for lock in needed_locks(self.project):
            if lock.path == npm_lock.FILE:
                text = npm_resolution.resolved(self.root, lock.packages[0], self._end, upgrade=self.upgrade)
                count = len(npm_lock.parse(text).packages)
            else:
                text = self._serving(lock) if lock.path == hash_lock.FILE else self._requirements(lock)
                count = len(re.findall(r"(?m)^[A-Za-z0-9][^\s=]*==", text))
            yield locked_file(self.root, lock.path, text, count)

    def _requirements(self, lock: NeededLock) -> str:
        """TextAttack's environment has no other package of the project, and so none of its constraints."""
        files = ["requirements.txt"] if lock.own and (self.root / "requirements.txt").is_file() else []
        constrained = lock.path != textattack_environment.LOCK and (self.root / "constraints.txt").is_file()
        constraints = ["--constraint", "constraints.txt"] if constrained else []
        options = ["--universal", "--python-version", self._python, *constraints, *files]
        about = _ABOUT.format(what=lock.what, file=lock.path)
        return about + self._resolved(lock.packages, options, lock.path)

    def _serving(self, lock: NeededLock) -> str:
        package = self.project.need(Package)
        python = package.zip.python if package.zip else package.docker.python
        options = ["--no-deps", "--python-version", python, "--python-platform", "x86_64-manylinux_2_28"]
        return hash_lock.dump(hash_lock.requirements(self._resolved(lock.packages, options, lock.path)))

    def _resolved(self, lines: Sequence[str], options: Sequence[str], path: str) -> str:
        """The output of `uv pip compile`. An existing lock is preferred, unless `upgrade`."""
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "lock.txt"
            if (self.root / path).is_file():
                shutil.copyfile(self.root / path, output)
            exclusions = Path(folder) / "known-bad.txt"
            rows = (f"{bad.package}!={release}\n" for bad in known_bad.RELEASES for release in bad.releases)
            write_text(exclusions, "".join(rows))
            command = [_uv(), "pip", "compile", "--quiet", "--no-progress", "--generate-hashes", "--no-header"]
            command += ["--no-annotate", "--output-file", str(output), *self._age(), *options, "-"]
            command += ["--constraint", str(exclusions)]
            command += ["--upgrade"] if self.upgrade else []
            try:
                done = subprocess.run(
                    command, input="\n".join(lines), capture_output=True, text=True, cwd=self.root, timeout=_TIMEOUT
                )
            except subprocess.TimeoutExpired:
                raise StageError(f"no answer about the packages of {path} in {_TIMEOUT} s", help=_NETWORK) from None
            if done.returncode:
                raise _failure(path, done.stderr, self._wait)
            return _OTHER.sub("", output.read_text(encoding="utf-8"))

    @property
    def _python(self) -> str:
        ci = self.project.get(Ci)
        return ci.github.python if ci is not None else f"3.{sys.version_info.minor}"

    @property
    def _wait(self) -> str:
        return (self.project.get(LockSpec) or LockSpec()).wait

    @property
    def _end(self) -> datetime | None:
        """The moment before which a release must have been published."""
        seconds = duration_seconds(self._wait)
        return self.now - timedelta(seconds=seconds) if seconds else None

    def _age(self) -> list[str]:
        return ["--exclude-newer", self._end.strftime("%Y-%m-%dT%H:%M:%SZ")] if self._end else []


_NETWORK: Final = "check the network, and the registry in uv's or pip's configuration (UV_DEFAULT_INDEX)"


def _failure(path: str, output: str, wait: str) -> StageError:
    """The error for the output of uv."""
    text = " ".join(line.strip(" ╰─▶│×") for line in output.splitlines() if line.strip())
    short = text if len(text) < 600 else f"{text[:590]} ..."
    network = re.search(r"(?i)error sending request|failed to fetch|connect|dns|timed out", text)
    help = _NETWORK if network else f"a release younger than lock.wait ({wait}) is not chosen; change the requirement"
    return StageError(f"cannot lock {path}: {short}", help=help)


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.is_file() else shutil.which("uv")
    if program is None:
        raise StageError("uv is not installed, which looks packages up", help="pip install 'mlspec[lock]'")
    return program
