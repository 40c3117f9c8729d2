"""The data part: the stages `fetch` and `data`, and the checks of the `data` section."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mlspec.diagnostics import Finding
from mlspec.parts.data import section_checks
from mlspec.parts.data.declared_checks import declared
from mlspec.parts.data.input_paths import watched
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Output, Stage, StageCheck, outermost
from mlspec.sections import addresses
from mlspec.sections.data import SPLITS, DataSpec
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
    """Findings that need the whole project."""
    data = project.get(DataSpec)
    if data is None:
        return
    for rule in section_checks.RULES:
        yield from rule(data, project)


def stages(project: Project) -> Iterable[Stage]:
    """`fetch` if a source is remote, then `data`."""
    data = project.get(DataSpec)
    if data is None:
        return
    if data.remotes:
        alone = all(addresses.is_local_service(source) for source, _ in data.remotes.values())
        split = len(data.sources) > 1
        yield Stage(
            "fetch",
            "Download the source files" if len(data.remotes) > 1 else "Download the source file",
            NAME,
            outputs=tuple(Output(path) for _, path in data.remotes.values()),
            params=("data.source", *(["data.sha256"] if data.sha256 else []), *(["data.split"] if split else [])),
            needs=() if alone else ("network",),
        )
    keys = ("source", "format", "inputs", "target", "split", "checks")  # `deps` are inputs themselves
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
        version=4,  # decisions.json only has labels that had to be interpreted
        checks=(
            StageCheck("data_checks", "The data is what the `data` section states"),
            *(StageCheck(each.name, each.text) for each in declared(data)),
        ),
    )


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """The page in the folder of collected rows: with it the folder exists before there are any."""
    data = project.get(DataSpec)
    if data is not None and data.collected is not None:
        values = {"target": data.target.column, "inputs": list(data.columns), "stage": "data"}
        yield Artifact(f"{data.collected}/README.md", "data/collected.md.j2", values)


def _inputs_once(data: DataSpec, project: Project) -> tuple[str, ...]:
    """The inputs without those inside another; `data.deps` remain: DVC does not follow links inside a folder."""
    paths = outermost(_inputs(data, project))
    return (*paths, *(path for path in outermost(data.deps) if path not in paths))


def _inputs(data: DataSpec, project: Project) -> Iterator[str]:
    """The code of callable sources, and the files and folders that the stage reads."""
    callables = [source for source in data.sources.values() if addresses.is_callable(source)]
    yield from project.surroundings.code_of(*callables)
    yield from watched(data)
