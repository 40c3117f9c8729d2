"""A spec to the checks of what this machine must or should have for it. Changes nothing and sends nothing."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

from mlspec.parts.ci.action_pins import ACTIONS
from mlspec.parts.test import textattack_environment
from mlspec.plan.plan import Plan
from mlspec.run.capabilities import EXTRAS, Capability, probe
from mlspec.run.lock_checks import lock_checks
from mlspec.run.workflow_pins import old_pins
from mlspec.sections.ci import Ci
from mlspec.sections.data import DataSpec
from mlspec.sections.dvc_remote import DvcRemote
from mlspec.sections.experiments import Sweep
from mlspec.sections.package import Package
from mlspec.sections.test import TestSpec
from mlspec.sections.track import TrackSpec
from mlspec.sections.train import TrainSpec
from mlspec.source import known_bad
from mlspec.spec.project import Project
from mlspec.spec.types import SecretRef

CONNECT_SECONDS = 3
"""Timeout of a connection to a tracker."""
MINIMUM, ADVISED = 1e9, 5e9
"""Bytes of free disk space: below MINIMUM a run will fail, below ADVISED packages or an image may not fit."""

_REMOTES: Mapping[str, str] = {
    "s3": "dvc-s3",
    "gs": "dvc-gs",
    "azure": "dvc-azure",
    "ssh": "dvc-ssh",
    "http": "",
    "https": "",
    "dagshub": "dvc-s3",
}
"""Scheme of a DVC remote to the package that implements it (https://dvc.org/doc/user-guide/data-management/remote-storage)."""


class MachineCheckJson(TypedDict):
    """The stable shape that `mlspec doctor --json` prints."""

    group: str
    name: str
    present: bool
    required: bool
    detail: str
    fix: str
    why: str


@dataclass(frozen=True, slots=True)
class MachineCheck:
    """One capability that was checked: `why` is what requires it; `required` whether the spec fails without it."""

    group: str
    capability: Capability
    required: bool
    why: str = ""
    word: str = "absent"
    """What is shown of one that is not required."""

    @property
    def fault(self) -> bool:
        """Missing, and the spec needs it."""
        return self.required and not self.capability.present

    def to_json(self) -> MachineCheckJson:
        """The stable shape that `mlspec doctor --json` prints."""
        capability = self.capability
        return {
            "group": self.group,
            "name": capability.name,
            "present": capability.present,
            "required": self.required,
            "detail": capability.detail,
            "fix": capability.fix,
            "why": self.why,
        }


def examine(
    root: Path, project: Project | None, plan: Plan | None, platform: str = sys.platform
) -> tuple[MachineCheck, ...]:
    """All checks, grouped, in a stable order. Without a project nothing but Python and disk space is required."""
    required_by = _requirements(project, plan)
    return (
        *_machine(root),
        _watch(platform),
        _training_device(project),
        *_packages(required_by),
        _known_bad(),
        *_programs(required_by, on_lambda=any(stage.name == "deploy" for stage in (plan.stages if plan else ()))),
        *_textattack(root, project),
        *_remote(project),
        *_remote_login(root, project),
        *_trackers(project),
        *_old_pins(root, project),
        *(MachineCheck("locks", each, False) for each in (lock_checks(root, project) if project else ())),
        *(MachineCheck("environment", probe(f"env:{name}"), True, why) for name, why in _variables(root, project)),
    )


def fixes(checks: tuple[MachineCheck, ...]) -> list[str]:
    """The commands that install or fix what is missing and required, each once; first variables, which others read."""
    every = dict.fromkeys(c.capability.fix for c in checks if c.fault and c.capability.fix)
    return sorted(every, key=lambda fix: not fix.startswith("export "))


def _machine(root: Path) -> Iterator[MachineCheck]:
    yield MachineCheck("machine", probe("python"), True)
    free = shutil.disk_usage(root).free
    detail = f"{free / 1e9:.1f} GB free" + (", which may not be enough" if MINIMUM <= free < ADVISED else "")
    fix = "" if free >= MINIMUM else "free disk space: `docker system prune` and `dvc gc --workspace` often help"
    yield MachineCheck("machine", Capability("disk", free >= MINIMUM, detail, fix), True)
    writable = os.access(root, os.W_OK)
    fix = "" if writable else f"make {root} writable"
    yield MachineCheck(
        "machine", Capability("project folder", writable, "writable" if writable else "read-only", fix), True
    )


def _training_device(project: Project | None) -> MachineCheck:
    """The GPU, and what `train.accelerator` selects on this machine."""
    train = project.get(TrainSpec) if project else None
    gpu = probe("gpu")
    if train is None:
        return MachineCheck("machine", gpu, False)
    chosen = train.accelerator
    default = "the GPU" if gpu.present else "the CPU"
    uses = {"auto": f"uses {default}", "cpu": "uses the CPU", "gpu": "needs a GPU"}.get(chosen, f"needs {chosen}")
    detail = f"{gpu.detail}; with accelerator: {chosen}, train {uses}"
    required = chosen == "gpu"
    fix = gpu.fix or ("set train.accelerator: auto" if required and not gpu.present else "")
    return MachineCheck("machine", replace(gpu, detail=detail, fix=fix), required, "train.accelerator")


def _watch(platform: str) -> MachineCheck:
    """Whether files that libraries open without Python are seen (`inotify.py`), so that they become inputs."""
    if platform == "linux":
        return MachineCheck(
            "machine", Capability("file watch", True, "inotify, also for what libraries open natively"), False
        )
    detail = (
        f"no inotify on {platform}: of files that libraries open natively (pyarrow, polars, duckdb, memory maps) "
        "only those whose whole path is a string in the code become inputs"
    )
    return MachineCheck("machine", Capability("file watch", False, detail, "list such files in data.deps"), False)


def _requirements(project: Project | None, plan: Plan | None) -> dict[str, str]:
    """Names of capabilities to what requires them."""
    required_by = dict(_of_sections(project)) if project is not None else {}
    for stage in plan.stages if plan else ():
        for need in stage.needs:
            required_by.setdefault(need, f"stage {stage.name}")
    return required_by


def _of_sections(project: Project) -> Iterator[tuple[str, str]]:
    """Each capability that a section requires, and the key that requires it."""
    yield "extra:train", "the local stages"
    track, package, data = project.get(TrackSpec), project.get(Package), project.get(DataSpec)
    for name, tracker in track.trackers.items() if track is not None else ():
        yield f"extra:{tracker.EXTRA}", f"track.{name}"
    if project.get(Sweep) is not None:
        yield "extra:sweep", "sweep"
    if package is not None and package.zip is None:
        yield from (("docker", "package.docker"), ("buildkit", "package.docker"))
    if project.get(Ci) is not None:
        yield "git", "ci"
    for extra in data.extras if data is not None else ():
        yield f"extra:{extra}", "data"


def _packages(required_by: Mapping[str, str]) -> Iterator[MachineCheck]:
    """The packages of every extra; those of a required extra are required."""
    reasons: dict[str, str] = {}  # a package of several extras is checked once
    for extra, requirements in EXTRAS.items():
        for requirement in requirements:
            reasons[requirement] = reasons.get(requirement) or required_by.get(f"extra:{extra}", "")
    for requirement, why in reasons.items():
        probed = probe(f"package:{requirement}")
        package = Capability(requirement.partition(">=")[0], probed.present, probed.detail, probed.fix)
        yield MachineCheck("packages", package, bool(why), why)
    for name in required_by:
        if name.startswith("package:"):
            yield MachineCheck("packages", probe(name), True, required_by[name])


def _known_bad() -> MachineCheck:
    """Whether one of the releases that are known to be bad is installed."""
    reasons = []
    for bad in known_bad.RELEASES:
        release = probe(f"package:{bad.package}").detail
        if known_bad.find(bad.package, release) is not None:
            reasons.append(f"{bad.reason(release)}: {bad.link}")
    count = sum(len(bad.releases) for bad in known_bad.RELEASES)
    detail = "; ".join(reasons) or f"none of {count} is installed (list of {known_bad.DATE})"
    fix = "uninstall it, then replace all credentials of this machine" if reasons else ""
    return MachineCheck("packages", Capability("known-bad releases", not reasons, detail, fix), True)


def _old_pins(root: Path, project: Project | None) -> Iterator[MachineCheck]:
    """Actions in the repository's workflows that are older than those of mlspec."""
    prefix = project.surroundings.prefix if project is not None else ""
    repository = root.resolve()
    for _ in filter(None, prefix.split("/")):
        repository = repository.parent
    for pin in old_pins(repository):
        detail = f"{pin.release} is older than {ACTIONS[pin.action][1]} ({pin.file}:{pin.line})"
        fix = f"uses: {pin.action}@{pin.current}; in a generated workflow: mlspec build"
        yield MachineCheck("workflows", Capability(pin.action, False, detail, fix), False, word="old")


def _programs(required_by: Mapping[str, str], *, on_lambda: bool) -> Iterator[MachineCheck]:
    usual = ["git", "docker", "buildkit", *(["lambda emulator"] if on_lambda else [])]
    others = [name for name in required_by if name not in usual and ":" not in name]
    for name in (*usual, *others):
        yield MachineCheck("programs", probe(name), name in required_by, required_by.get(name, ""))


def _textattack(root: Path, project: Project | None) -> Iterator[MachineCheck]:
    """The environment of TextAttack, where the spec uses it."""
    test = project.get(TestSpec) if project else None
    if test is None or test.textattack is None:
        return
    python = test.textattack.python
    problem = textattack_environment.problem(root, python)
    detail = problem or f"{textattack_environment.VERSION} in the environment of {python}"
    fix = textattack_environment.install(python) if problem else ""
    yield MachineCheck("programs", Capability("textattack", not problem, detail, fix), True, "test.textattack")


def _remote(project: Project | None) -> Iterator[MachineCheck]:
    """The syntax of the DVC remote's address, and the package that connects to it; no connection is opened."""
    data = project.get(DataSpec) if project else None
    if data is None or data.remote is None:
        return
    address = data.remote
    scheme, separator, rest = address.partition("://")
    if separator and scheme not in _REMOTES:
        known = ", ".join(f"{s}://" for s in _REMOTES)
        fault = Capability(
            "dvc remote", False, f"DVC does not support {scheme}://", f"set data.remote to a path or one of {known}"
        )
        yield MachineCheck("remote", fault, True, "data.remote")
        return
    formed = not separator or re.match(r"[\w.@:-]+(/|$)", rest) is not None
    detail = f"{_without_password(address)} is {'well-formed' if formed else 'not a valid address'}"
    fix = "" if formed else f"set data.remote to {scheme}://NAME/PATH"
    yield MachineCheck("remote", Capability("dvc remote", formed, detail, fix), True, "data.remote")
    package = _REMOTES.get(scheme, "") if separator else ""
    if package and package not in {r.partition(">=")[0] for needs in EXTRAS.values() for r in needs}:
        yield MachineCheck("remote", probe(f"package:{package}"), True, "data.remote")


def _remote_login(root: Path, project: Project | None) -> Iterator[MachineCheck]:
    """Whether `.dvc/config.local` has the credentials of the remote; a value is never part of the result."""
    data = project.get(DataSpec) if project else None
    remote = data.dvc_remote if data is not None else None
    if remote is None or not remote.login:
        return
    missing = _missing_login(root, remote)
    detail = f".dvc/config.local lacks {' and '.join(missing)}" if missing else "in .dvc/config.local"
    fix = " && ".join(f'dvc remote modify --local mlspec {option} "${remote.login[option]}"' for option in missing)
    yield MachineCheck("remote", Capability("dvc remote login", not missing, detail, fix), True, "data.remote")


def _missing_login(root: Path, remote: DvcRemote) -> list[str]:
    """The options of the remote that `.dvc/config.local` does not have."""
    local = configparser.RawConfigParser()
    with contextlib.suppress(OSError, configparser.Error, UnicodeError):
        local.read_string((root / ".dvc" / "config.local").read_text(encoding="utf-8"))
    return [option for option in remote.login if not local.get("'remote \"mlspec\"'", option, fallback="")]


def _trackers(project: Project | None) -> Iterator[MachineCheck]:
    """Whether the servers of the trackers accept a connection; nothing is sent. A training runs without them."""
    track = project.get(TrackSpec) if project else None
    for name, tracker in track.trackers.items() if track is not None else ():
        address = tracker.address
        address = os.environ.get(address.env, "") if isinstance(address, SecretRef) else address
        if tracker.online and address:
            fault = _unreachable(address)
            detail = f"{address} does not answer: {fault}" if fault else f"{address} answers"
            fix = "check the address and the network; `mlspec run track` uploads runs later" if fault else ""
            yield MachineCheck("tracking", Capability(f"track.{name}", not fault, detail, fix), False, f"track.{name}")


def _unreachable(address: str) -> str:
    """Why no connection to the server is possible; empty where it is."""
    try:
        url = urlsplit(address)
        port = url.port or (443 if url.scheme == "https" else 80)
        socket.create_connection((url.hostname or "", port), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _without_password(address: str) -> str:
    return re.sub(r"://[^/@]*@", "://", address)


def _variables(root: Path, project: Project | None) -> list[tuple[str, str]]:
    """Environment variables that secrets of the spec name, each once, with the first key that refers to it.

    Those of the DVC remote are among them where its credentials are still to be stored.
    """
    data = project.get(DataSpec) if project else None
    remote = data.dvc_remote if data is not None else None
    keys = dict.fromkeys(remote.secrets, "data.remote") if remote and _missing_login(root, remote) else {}
    for name, place in _secrets(project.values if project else {}, ""):
        keys.setdefault(name, place)
    return list(keys.items())


def _secrets(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        name = value.get("env")
        if len(value) == 1 and isinstance(name, str):
            yield name, place
            return
        if place.startswith("track.") and value.get("mode", "online") != "online":
            return  # a tracker that connects to nothing needs no key
        for key, item in value.items():
            yield from _secrets(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item, place)
