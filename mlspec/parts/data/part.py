"""The data part: the stages `fetch` and `data`, and where the checks of the section lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlspec.parts.data import address, faults
from mlspec.parts.data.spec import SPLITS, DataSpec
from mlspec.parts.data.watched import watched
from mlspec.parts.protocol import no_artifacts as artifacts
from mlspec.plan.stage import Output, Stage
from mlspec.spec.base import Finding
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "stages"]

NAME = "data"
SECTIONS = {"data": DataSpec}
PROGRAMS = {"fetch": "mlspec.parts.data.fetch:main", "data": "mlspec.parts.data.work:main"}
SCHEMA, PROFILE = "artifacts/data/schema.json", "artifacts/data/profile.json"
DECISIONS = "artifacts/data/decisions.json"
ORIGINS = "artifacts/data/origins.parquet"
PARQUET = {split: f"artifacts/data/{split}.parquet" for split in SPLITS}


def check(project: Project) -> Iterator[Finding]:
    """What the section's model cannot see."""
    data = project.get(DataSpec)
    if data is None:
        return
    for rule in faults.RULES:
        yield from rule(data, project)


def stages(project: Project) -> Iterable[Stage]:
    """Fetch where a source is elsewhere, then data."""
    data = project.get(DataSpec)
    if data is None:
        return
    if data.remotes:
        alone = all(address.is_local_service(source) for source, _ in data.remotes.values())
        yield Stage(
            "fetch",
            "Fetch " + ", ".join(source for source, _ in data.remotes.values()),
            NAME,
            outputs=tuple(Output(path) for _, path in data.remotes.values()),
            params=("data.source", "data.sha256", *(("data.split",) if len(data.sources) > 1 else ())),
            needs=() if alone else ("network",),
        )
    keys = ("source", "deps", "format", "inputs", "target", "split", "checks")
    yield Stage(
        "data",
        "Check, split and profile the data",
        NAME,
        inputs=_inputs_once(data, project),
        outputs=(
            *(Output(path) for path in (*PARQUET.values(), ORIGINS)),
            Output(SCHEMA, cache=False),
            Output(PROFILE, cache=False),
            Output(DECISIONS, cache=False),
        ),
        params=tuple(f"data.{key}" for key in keys),
    )


def _inputs_once(data: DataSpec, project: Project) -> tuple[str, ...]:
    """The inputs without those that lie in another; `data.deps` stay: DVC does not follow links inside a folder."""
    outermost = _outermost(_inputs(data, project))
    return (*outermost, *(path for path in _outermost(data.deps) if path not in outermost))


def _outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """Each path once, without those that lie in another: DVC refuses to keep a file twice."""
    unique = list(dict.fromkeys(path.rstrip("/") for path in paths))
    return tuple(path for path in unique if not any(path.startswith(f"{other}/") for other in unique))


def _inputs(data: DataSpec, project: Project) -> Iterator[str]:
    """What the stage reads: the module of a callable, files and folders."""
    for source in data.sources.values():
        module = project.surroundings.path_of(source.partition(":")[0]) if address.is_callable(source) else ""
        if module:
            yield module
    yield from watched(data)
