"""Writes the locks of packages with hashes: uv resolves them, with the registry that this machine is set up for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from mlspec.errors import StageError
from mlspec.job import write_text
from mlspec.parts.ci import monitor_workflow
from mlspec.parts.test import textattack_environment
from mlspec.run.capabilities import BASE, EXTRAS
from mlspec.sections.ci import Ci
from mlspec.sections.data import DataSpec
from mlspec.sections.deploy import Deploy
from mlspec.sections.experiments import Sweep
from mlspec.sections.export import ExportSpec
from mlspec.sections.lock import LockSpec
from mlspec.sections.monitor import Monitor
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.sections.test import TestSpec
from mlspec.sections.track import TrackSpec, tracked_extras
from mlspec.source import hash_lock, known_bad
from mlspec.spec.project import Project
from mlspec.spec.types import duration_seconds

TRAIN: Final = "requirements-train.lock"
RELEASE: Final = "requirements-release.lock"
MONITOR: Final = "requirements-monitor.lock"
RETRAIN: Final = "requirements-retrain.lock"
_ABOUT: Final = """\
# Packages of {what} with their hashes, for every platform, without mlspec itself.
# `mlspec lock` writes this file; commit it.
# pip install --require-hashes --requirement {file}
"""
_OTHER: Final = re.compile(r"^(?:[ \t]*#|-).*\n", re.MULTILINE)
"""Comments and options, which may name the address of a registry if uv is set up so."""
_TIMEOUT: Final = 900


@dataclass(frozen=True)
class LockedFile:
    """A lock: its path in the project, its text, and whether it differs from the file on the disk."""

    path: str
    text: str
    changed: bool

    @property
    def packages(self) -> int:
        """The number of packages in it."""
        return len(re.findall(r"(?m)^[A-Za-z0-9][^\s=]*==", self.text))


@dataclass(frozen=True)
class PackageLock:
    """Makes the locks of one project. `now` is the end of the waiting period."""

    project: Project
    root: Path
    upgrade: bool = False
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def files(self) -> Iterator[LockedFile]:
        """Every lock that the spec needs. Raises StageError if a package cannot be resolved."""
        package = self.project.get(Package)
        if "train" in self.project.sections:
            yield self._requirements(TRAIN, "training and its tests", _training(self.project), own=True)
        if self.project.get(Registry) is not None or self.project.get(Deploy) is not None:
            yield self._requirements(RELEASE, "a release", _releasing(self.project), own=False)
        test = self.project.get(TestSpec)
        if test is not None and test.textattack is not None:
            yield self._attacks()
        if monitor_workflow.has_workflow(self.project):
            watching = monitor_workflow.extras(self.project)
            yield self._requirements(MONITOR, "watching a served model", watching, own=False)
            if self.project.need(Monitor).on_drift == "retrain":
                both = [*dict.fromkeys([*watching, *_training(self.project)])]
                yield self._requirements(RETRAIN, "a training after an alarm, and its release", both, own=True)
        if package is not None and package.requirements:
            python = package.zip.python if package.zip else package.docker.python
            text = self._serving(package.requirements, python)
            yield self._file(hash_lock.FILE, text)

    def _requirements(self, path: str, what: str, extras: Sequence[str], *, own: bool) -> LockedFile:
        lines = dict.fromkeys([*BASE, *(need for extra in extras for need in EXTRAS[extra])])
        files = ["requirements.txt"] if own and (self.root / "requirements.txt").is_file() else []
        constraints = ["--constraint", "constraints.txt"] if (self.root / "constraints.txt").is_file() else []
        options = ["--universal", "--python-version", self._python, *constraints, *files]
        return self._file(path, _ABOUT.format(what=what, file=path) + self._resolved(lines, options, path))

    def _attacks(self) -> LockedFile:
        """The packages of TextAttack's environment, which has no other one of the project."""
        path = textattack_environment.LOCK
        about = _ABOUT.format(what="the environment of TextAttack", file=path)
        options = ["--universal", "--python-version", self._python]
        return self._file(path, about + self._resolved(textattack_environment.PACKAGES, options, path))

    def _serving(self, releases: Mapping[str, str], python: str) -> str:
        pins = [f"{name}=={release}" for name, release in releases.items()]
        options = ["--no-deps", "--python-version", python, "--python-platform", "x86_64-manylinux_2_28"]
        return hash_lock.dump(hash_lock.requirements(self._resolved(pins, options, hash_lock.FILE)))

    def _resolved(self, lines: Sequence[str] | Mapping[str, None], options: Sequence[str], path: str) -> str:
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

    def _age(self) -> list[str]:
        seconds = duration_seconds(self._wait)
        end = self.now - timedelta(seconds=seconds)
        return ["--exclude-newer", end.strftime("%Y-%m-%dT%H:%M:%SZ")] if seconds else []

    def _file(self, path: str, text: str) -> LockedFile:
        place = self.root / path
        before = place.read_text(encoding="utf-8") if place.is_file() else None
        return LockedFile(path, text, before != text)


def write(root: Path, files: Sequence[LockedFile]) -> None:
    """Write the locks that changed."""
    for file in files:
        if file.changed:
            write_text(root / file.path, file.text)


def _training(project: Project) -> list[str]:
    data, track, export = project.get(DataSpec), project.get(TrackSpec), project.get(ExportSpec)
    chosen = {
        "sweep": project.get(Sweep) is not None,
        "sign": export is not None and export.sign is not None,
    }
    stored = data.extras if data is not None else []
    return ["train", *stored, *(extra for extra, needed in chosen.items() if needed), *tracked_extras(track)]


def _releasing(project: Project) -> list[str]:
    export, monitor = project.get(ExportSpec), project.get(Monitor)
    signed = export is not None and export.sign is not None
    return ["aws", *(["sign"] if signed else []), *(["elastic"] if monitor and monitor.elasticsearch else [])]


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
