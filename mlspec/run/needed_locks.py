"""Which locks of packages a spec needs, and what each one is for: for `mlspec lock`, and for an audit. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mlspec.parts.ci import monitor_workflow
from mlspec.parts.test import textattack_environment
from mlspec.run.capabilities import BASE, EXTRAS
from mlspec.sections.data import DataSpec
from mlspec.sections.delivery_tool import delivery_tool
from mlspec.sections.experiments import Sweep
from mlspec.sections.export import ExportSpec
from mlspec.sections.monitor import Monitor
from mlspec.sections.package import Package
from mlspec.sections.test import TestSpec
from mlspec.sections.track import TrackSpec, tracked_extras
from mlspec.source import hash_lock, npm_lock
from mlspec.spec.project import Project

TRAIN: Final = "requirements-train.lock"
RELEASE: Final = "requirements-release.lock"
MONITOR: Final = "requirements-monitor.lock"
RETRAIN: Final = "requirements-retrain.lock"


@dataclass(frozen=True, slots=True)
class NeededLock:
    """A lock that the spec needs: what its packages are for, the section that needs them, and the requirements."""

    path: str
    what: str
    section: str
    packages: tuple[str, ...]
    own: bool = False
    """Whether the packages of `requirements.txt` are in it too."""


def needed_locks(project: Project) -> Iterator[NeededLock]:
    """Every lock that the spec needs, in the order in which they are written."""
    if "train" in project.sections:
        yield NeededLock(TRAIN, "training and its tests", "train", _packages(_training(project)), own=True)
    if (releasing := next((name for name in ("deploy", "registry") if name in project.sections), "")) != "":
        yield NeededLock(RELEASE, "a release", releasing, _packages(_releasing(project)))
    test = project.get(TestSpec)
    if test is not None and test.textattack is not None:
        what = "the environment of TextAttack"
        yield NeededLock(textattack_environment.LOCK, what, "test", textattack_environment.PACKAGES)
    if monitor_workflow.has_workflow(project):
        watching = monitor_workflow.extras(project)
        yield NeededLock(MONITOR, "watching a served model", "monitor", _packages(watching))
        if project.need(Monitor).on_drift == "retrain":
            both = [*dict.fromkeys([*watching, *_training(project)])]
            what = "a training after an alarm, and its release"
            yield NeededLock(RETRAIN, what, "monitor", _packages(both), own=True)
    if npm := delivery_tool(project).npm_package:
        yield NeededLock(npm_lock.FILE, "the Serverless Framework", "deploy", (npm,))
    package = project.get(Package)
    if package is not None and package.requirements:
        pins = tuple(f"{name}=={release}" for name, release in package.requirements.items())
        yield NeededLock(hash_lock.FILE, "`package.requirements`", "package", pins)


def _packages(extras: Sequence[str]) -> tuple[str, ...]:
    """The requirements of mlspec with those of its extras."""
    return tuple(dict.fromkeys([*BASE, *(need for extra in extras for need in EXTRAS[extra])]))


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
