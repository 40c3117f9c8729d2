"""The dvc part: `dvc.yaml` from all stages that turn files into files, and the project's DVC settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from pydantic import BaseModel

from mlspec.dvc.params import VERSIONS, params
from mlspec.parts.bundle_path import BUNDLE
from mlspec.parts.part_protocol import no_check as check
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.parts.train.part import CHECKPOINT
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Output, Stage
from mlspec.sections.data import DataSpec
from mlspec.sections.delivery_tool import delivery_tool
from mlspec.source.document import Plain
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "stages"]

NAME = "dvc"
SECTIONS: Mapping[str, type[BaseModel]] = {}
PROGRAMS: Mapping[str, str] = {}
MODELS: Mapping[str, tuple[str, str]] = {
    BUNDLE: ("The served bundle: ONNX model, preprocessing, labels and signature", "onnx"),
    CHECKPOINT: ("The checkpoint of the best epoch", "pytorch-lightning"),
}
"""Outputs that are a model, in the order of preference: what each is, and its format as a label."""


class DvcOutput(TypedDict):
    """An entry of `outs`, `metrics` or `plots` of a stage in dvc.yaml."""

    path: str
    options: Mapping[str, str | bool]


class DvcStage(TypedDict):
    """A stage of dvc.yaml. `params` are files of `conf/` with the keys that the stage depends on."""

    name: str
    desc: str
    cmd: str
    deps: list[str]
    params: dict[str, list[str]]
    outs: list[DvcOutput]
    metrics: list[DvcOutput]
    plots: list[DvcOutput]


class DvcPlot(TypedDict):
    """A chart of columns of a file."""

    title: str
    path: str
    columns: list[str]


class DvcModel(TypedDict):
    """A model among the outputs."""

    path: str
    desc: str
    labels: list[str]


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """`dvc.yaml`, the remote in `.dvc/config`, and the files that git ignores."""
    pure = [stage for stage in stages if not stage.effects]
    if not pure:
        return
    described = [_stage(stage, project.values) for stage in pure]
    pipeline = {"stages": described, "plots": _plots(pure), "models": _models(project, pure)}
    yield Artifact("dvc.yaml", "dvc/dvc.yaml.j2", pipeline)
    data = project.get(DataSpec)
    values = {
        "core": not project.surroundings.dvc_core,
        "no_scm": not project.surroundings.git,
        "remote": data.dvc_remote if data else None,
    }
    yield Artifact(VERSIONS, "dvc/versions.yaml.j2", {"versions": {stage.name: stage.version for stage in stages}})
    yield Artifact(".dvc/config", "dvc/config.j2", values, mode="block")
    yield Artifact(".dvc/.gitignore", "dvc/gitignore.j2")
    yield Artifact(".dvcignore", "dvc/dvcignore.j2", mode="block")
    cached = sorted(output.path for stage in pure for output in stage.outputs if output.cache)
    untracked = sorted(path for path in raw(project, stages) if path.splitlines() == [path])
    ignored = {
        "by_tool": dict(delivery_tool(project).ignored or {}),
        "fetched": bool(data and data.remotes),
        "cached": git_paths(cached),
        "raw": git_paths(untracked),
    }
    yield Artifact(".gitignore", "dvc/project_gitignore.j2", ignored, mode="block")


def git_paths(paths: Iterable[str]) -> list[str]:
    """Each path as a pattern of .gitignore that matches only itself: https://git-scm.com/docs/gitignore#_pattern_format."""
    return [re.sub(r"([\\*?\[]|\s(?=\s*$))", r"\\\1", path) for path in paths]


def _stage(stage: Stage, values: Mapping[str, Plain]) -> DvcStage:
    """A stage for the template. Sections that the spec does not have have no file to depend on."""
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
    """Files and folders of raw data that DVC tracks: what `data` reads and no stage creates."""
    data, stage = project.get(DataSpec), next((s for s in stages if s.name == "data"), None)
    if data is None or stage is None or data.track != "dvc":
        return ()
    outputs = {output.path for s in stages for output in s.outputs}
    code, reads = project.surroundings.code, {*project.surroundings.reads.get("data", ())} - {*data.deps}
    holds_code = {path for path in stage.inputs if any(file == path or file.startswith(f"{path}/") for file in code)}
    return tuple(path for path in stage.inputs if path not in {*outputs, *holds_code, *reads})


def literal(text: str) -> str:
    """`${` in dvc.yaml is DVC's own templating: https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#templating."""
    return text.replace("${", "\\${")


def _plots(stages: Sequence[Stage]) -> list[DvcPlot]:
    """Charts of single columns of a file: a plot of the stage itself would draw only the last column.

    https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#top-level-plot-definitions
    """
    return [
        {"title": literal(title), "path": output.path, "columns": [literal(column) for column in columns]}
        for stage in stages
        for output in stage.outputs
        for title, columns in output.curves.items()
    ]


def _models(project: Project, stages: Sequence[Stage]) -> list[DvcModel]:
    """What a model registry such as DVC Studio shows, and `dvc artifacts get` fetches: the bundle, else the checkpoint.

    https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#artifacts
    """
    paths = {output.path for stage in stages for output in stage.outputs}
    path = next((path for path in MODELS if path in paths), None)
    if path is None:
        return []
    model = project.values.get("model")
    kind = model.get("type") if isinstance(model, Mapping) else None
    description, format_label = MODELS[path]
    labels = [kind, format_label] if isinstance(kind, str) and kind else [format_label]
    return [{"path": path, "desc": description, "labels": labels}]


def _output(output: Output) -> DvcOutput:
    return {"path": literal(output.path), "options": {**output.plot, **({} if output.cache else {"cache": False})}}
