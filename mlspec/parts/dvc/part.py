"""The dvc part: `dvc.yaml` from all stages that turn files into files, and the project's DVC settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlspec.dvc.params import VERSIONS, params
from mlspec.parts.part_protocol import no_check as check
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Output, Stage
from mlspec.sections.data import DataSpec
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "stages"]

NAME = "dvc"
SECTIONS: Mapping[str, Any] = {}
PROGRAMS: Mapping[str, str] = {}


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """`dvc.yaml`, the remote in `.dvc/config`, and what git must not keep."""
    pure = [stage for stage in stages if not stage.effects]
    if not pure:
        return
    described = [_stage(stage, project.values) for stage in pure]
    yield Artifact("dvc.yaml", "dvc/dvc.yaml.j2", {"stages": described, "plots": _plots(pure)})
    data = project.get(DataSpec)
    values = {
        "core": not project.surroundings.dvc_core,
        "no_scm": not project.surroundings.git,
        "remote": _remote(data.remote) if data and data.remote else None,
    }
    yield Artifact(VERSIONS, "dvc/versions.yaml.j2", {"versions": {stage.name: stage.version for stage in stages}})
    yield Artifact(".dvc/config", "dvc/config.j2", values, mode="block")
    yield Artifact(".dvc/.gitignore", "dvc/gitignore.j2")
    yield Artifact(".dvcignore", "dvc/dvcignore.j2", mode="block")
    kept = sorted(output.path for stage in pure for output in stage.outputs if output.cache)
    ignored = {"fetched": bool(data and data.remotes), "kept": kept}
    yield Artifact(".gitignore", "dvc/project_gitignore.j2", ignored, mode="block")


def _remote(address: str) -> str:
    """A path is relative to the project for a person, and to `.dvc/` for DVC."""
    return address if "://" in address or address.startswith(("/", "~")) else f"../{address}"


def _stage(stage: Stage, values: Mapping[str, Any]) -> dict[str, Any]:
    """Sections that the spec does not name have no file to depend on."""
    kept = {file: keys for file, keys in params(stage).items() if file == VERSIONS or file.split("/")[1] in values}
    return {
        "name": stage.name,
        "desc": literal(stage.description),
        "cmd": stage.command,
        "deps": [literal(path) for path in stage.inputs],
        "params": kept,
        "outs": [_output(o) for o in stage.outputs if o.kind == "out"],
        "metrics": [_output(o) for o in stage.outputs if o.kind == "metric"],
        "plots": [_output(o) for o in stage.outputs if o.kind == "plot"],
    }


def raw(project: Project, stages: Sequence[Stage]) -> tuple[str, ...]:
    """Files and folders of the user's that DVC is to keep: what `data` reads and no stage makes."""
    data, stage = project.get(DataSpec), next((s for s in stages if s.name == "data"), None)
    if data is None or stage is None or data.track != "dvc":
        return ()
    made = {output.path for s in stages for output in s.outputs}
    code, reads = project.surroundings.code, {*project.surroundings.reads.get("data", ())} - {*data.deps}
    holds_code = {path for path in stage.inputs if any(file == path or file.startswith(f"{path}/") for file in code)}
    return tuple(path for path in stage.inputs if path not in {*made, *holds_code, *reads})


def literal(text: str) -> str:
    """`${` in dvc.yaml is DVC's own templating: https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#templating."""
    return text.replace("${", "\\${")


def _plots(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """Plots of several columns: a stage's own plot takes only one.

    https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#top-level-plot-definitions
    """
    return [
        {**output.plot, "path": output.path}
        for stage in stages
        for output in stage.outputs
        if isinstance(output.plot.get("y"), list)
    ]


def _output(output: Output) -> dict[str, Any]:
    options = {} if isinstance(output.plot.get("y"), list) else dict(output.plot)
    options |= {} if output.cache else {"cache": False}
    return {"path": literal(output.path), "options": options}
