"""A spec to everything this machine must or should have for it, looked up. Changes nothing, sends nothing."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlspec.plan.plan import Plan
from mlspec.run.capabilities import EXTRAS, Capability, probe
from mlspec.sections.ci import Ci
from mlspec.sections.data import DataSpec
from mlspec.sections.experiments import Sweep
from mlspec.sections.package import Package
from mlspec.sections.track import TrackSpec
from mlspec.spec.project import Project

ROOM, TIGHT = 1e9, 5e9
"""Bytes of free disk: under ROOM a run is bound to fail, under TIGHT training packages or an image may not fit."""

_REMOTES: Mapping[str, str] = {
    "s3": "dvc-s3",
    "gs": "dvc-gs",
    "azure": "dvc-azure",
    "ssh": "dvc-ssh",
    "http": "",
    "https": "",
}
"""Scheme of a DVC remote to the package that speaks it (https://dvc.org/doc/user-guide/data-management/remote-storage)."""


@dataclass(frozen=True, slots=True)
class MachineCheck:
    """One thing looked up: `why` says what asks for it; `required` whether the spec cannot do without."""

    group: str
    capability: Capability
    required: bool
    why: str = ""

    @property
    def fault(self) -> bool:
        """Missing, and the spec needs it."""
        return self.required and not self.capability.present

    def to_json(self) -> dict[str, object]:
        """The stable shape that `--json` prints."""
        found = self.capability
        return {
            "group": self.group,
            "name": found.name,
            "present": found.present,
            "required": self.required,
            "detail": found.detail,
            "mend": found.mend,
            "why": self.why,
        }


def examine(
    root: Path, project: Project | None, plan: Plan | None, platform: str = sys.platform
) -> tuple[MachineCheck, ...]:
    """All checks, grouped, in a stable order. Without a project nothing but Python and disk space is required."""
    wanted = _wanted(project, plan)
    return (
        *_machine(root),
        _watch(platform),
        *_packages(wanted),
        *_programs(wanted, on_lambda=any(stage.name == "deploy" for stage in (plan.stages if plan else ()))),
        *_remote(project),
        *(MachineCheck("environment", probe(f"env:{name}"), True, why) for name, why in _variables(project)),
    )


def mends(checks: tuple[MachineCheck, ...]) -> list[str]:
    """The commands that mend what is missing and required, each once."""
    return list(dict.fromkeys(c.capability.mend for c in checks if c.fault and c.capability.mend))


def _machine(root: Path) -> Iterator[MachineCheck]:
    yield MachineCheck("machine", probe("python"), True)
    free = shutil.disk_usage(root).free
    detail = f"{free / 1e9:.1f} GB free" + (", which may not last" if ROOM <= free < TIGHT else "")
    mend = "" if free >= ROOM else "free some disk space: `docker system prune` and `dvc gc --workspace` often help"
    yield MachineCheck("machine", Capability("disk", free >= ROOM, detail, mend), True)
    writable = os.access(root, os.W_OK)
    mend = "" if writable else f"make {root} writable"
    yield MachineCheck(
        "machine", Capability("project folder", writable, "writable" if writable else "read-only", mend), True
    )


def _watch(platform: str) -> MachineCheck:
    """Whether files that libraries open without Python are seen (`inotify.py`), so that they become inputs."""
    if platform == "linux":
        return MachineCheck(
            "machine", Capability("file watch", True, "inotify, also for what libraries open natively"), False
        )
    detail = (
        f"no inotify on {platform}: of files that libraries open natively (pyarrow, polars, duckdb, memory maps) "
        "only those whose whole path is a text in the code become inputs"
    )
    return MachineCheck("machine", Capability("file watch", False, detail, "list such files in data.deps"), False)


def _wanted(project: Project | None, plan: Plan | None) -> dict[str, str]:
    """Names of capabilities to what asks for them."""
    wanted = dict(_of_sections(project)) if project is not None else {}
    for stage in plan.stages if plan else ():
        for need in stage.needs:
            wanted.setdefault(need, f"stage {stage.name}")
    return wanted


def _of_sections(project: Project) -> Iterator[tuple[str, str]]:
    """Each capability that a section requires, and the key that does."""
    yield "extra:train", "the local stages"
    track, package, data = project.get(TrackSpec), project.get(Package), project.get(DataSpec)
    if track is not None and track.wandb is not None:
        yield "extra:wandb", "track.wandb"
    if project.get(Sweep) is not None:
        yield "extra:sweep", "sweep"
    if package is not None and package.zip is None:
        yield from (("docker", "package.docker"), ("buildkit", "package.docker"))
    if project.get(Ci) is not None:
        yield "git", "ci"
    if data is not None and any(address.startswith("s3://") for address in (data.source, data.remote or "")):
        yield "extra:s3", "data"


def _packages(wanted: Mapping[str, str]) -> Iterator[MachineCheck]:
    """The packages of every extra; those of an extra that is wanted are required."""
    reasons: dict[str, str] = {}  # a package of several extras is one package
    for extra, requirements in EXTRAS.items():
        for requirement in requirements:
            reasons[requirement] = reasons.get(requirement) or wanted.get(f"extra:{extra}", "")
    for requirement, why in reasons.items():
        found = probe(f"package:{requirement}")
        package = Capability(requirement.partition(">=")[0], found.present, found.detail, found.mend)
        yield MachineCheck("packages", package, bool(why), why)
    for name in wanted:
        if name.startswith("package:"):
            yield MachineCheck("packages", probe(name), True, wanted[name])


def _programs(wanted: Mapping[str, str], *, on_lambda: bool) -> Iterator[MachineCheck]:
    usual = ["git", "docker", "buildkit", *(["lambda emulator"] if on_lambda else [])]
    others = [name for name in wanted if name not in usual and ":" not in name]
    for name in (*usual, *others):
        yield MachineCheck("programs", probe(name), name in wanted, wanted.get(name, ""))


def _remote(project: Project | None) -> Iterator[MachineCheck]:
    """The form of the DVC remote's address, and the package that speaks to it; whether it answers is DVC's business."""
    data = project.get(DataSpec) if project else None
    if data is None or data.remote is None:
        return
    address = data.remote
    scheme, separator, rest = address.partition("://")
    if separator and scheme not in _REMOTES:
        known = ", ".join(f"{s}://" for s in _REMOTES)
        fault = Capability(
            "dvc remote", False, f"DVC has no {scheme}://", f"set data.remote to a path or one of {known}"
        )
        yield MachineCheck("remote", fault, True, "data.remote")
        return
    formed = not separator or re.match(r"[\w.@:-]+(/|$)", rest) is not None
    detail = f"{_without_password(address)} is {'well-formed' if formed else 'no address'}"
    mend = "" if formed else f"set data.remote to {scheme}://NAME/PATH"
    yield MachineCheck("remote", Capability("dvc remote", formed, detail, mend), True, "data.remote")
    package = _REMOTES.get(scheme, "") if separator else ""
    if package and package not in {r.partition(">=")[0] for needs in EXTRAS.values() for r in needs}:
        yield MachineCheck("remote", probe(f"package:{package}"), True, "data.remote")


def _without_password(address: str) -> str:
    return re.sub(r"://[^/@]*@", "://", address)


def _variables(project: Project | None) -> list[tuple[str, str]]:
    """Environment variables that secrets of the spec name, each once, with the first place that names it."""
    found: dict[str, str] = {}
    for name, place in _secrets(project.values if project else {}, ""):
        found.setdefault(name, place)
    return list(found.items())


def _secrets(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        name = value.get("env")
        if len(value) == 1 and isinstance(name, str):
            yield name, place
            return
        for key, item in value.items():
            yield from _secrets(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item, place)
