"""The training workflow: its events, secrets and environment, and the files that come back as a pull request. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.ci import project_folder
from mlspec.parts.dvc.part import raw
from mlspec.parts.test import textattack_environment
from mlspec.plan.stage import Stage, outermost
from mlspec.sections.ci import Github
from mlspec.sections.data import DataSpec
from mlspec.sections.experiments import Experiments
from mlspec.sections.test import TestSpec
from mlspec.sections.track import TrackSpec
from mlspec.spec.project import Project

TEMPLATE: Final = "github/train.yaml.j2"
_EXPERIMENT: Final = ("data", "train", "evaluate", "gate")
"""Stages of an experiment: up to its metrics."""
_TRAINING: Final = ("data", "model", "train", "evaluate", "export", "sweep")
"""Sections whose secrets a training needs, besides those of its tracker."""


def check(project: Project, github: Github) -> Iterator[Finding]:
    """An event that never happens: a push of data that is not in the repository."""
    data = project.get(DataSpec)
    if "data" not in github.train_on or data is None or data.kind != "remote":
        return
    at = ("ci", "github", "train_on", github.train_on.index("data"))
    message = f"no push changes the raw data: it comes from {data.source}"
    yield Finding("conflicting-options", at, message, "use `schedule` to train on new data, or remove `data`")


def values(project: Project, github: Github, stages: Sequence[Stage]) -> dict[str, object]:
    """The values of the template."""
    experiments, names = project.get(Experiments), [stage.name for stage in stages]
    kept = [output.path for stage in stages if not stage.effects for output in stage.outputs if not output.cache]
    return {
        "experiments": list(experiments.root) if experiments else [],
        "experiment_stages": [name for name in _EXPERIMENT if name in names],
        "data_paths": [_pattern(project, path) for path in _data_files(project, stages)],
        "committed": ["dvc.lock", *outermost(kept)],
        **_textattack(project),
        "pull_request_environment": f"{github.training_environment}-pull-request",
    }


def _textattack(project: Project) -> Mapping[str, object]:
    """The environment of TextAttack, "" if there is none to create: the runner has it outside the project."""
    test = project.get(TestSpec)
    python = test.textattack.python if test is not None and test.textattack is not None else ""
    folder = "" if python.startswith("/") else textattack_environment.folder(python)
    return {"textattack": folder, "textattack_packages": " ".join(textattack_environment.PACKAGES)}


def secret_values(project: Project) -> Mapping[str, object]:
    """The options whose secrets a training reads. An offline tracker needs no key."""
    return {**{name: project.values.get(name) for name in _TRAINING}, **tracker_values(project)}


def tracker_values(project: Project) -> Mapping[str, object]:
    """The options of the trackers that are online."""
    track = project.get(TrackSpec)
    options = project.values.get("track")
    given: Mapping[str, object] = options if isinstance(options, dict) else {}
    online = [name for name, tracker in track.trackers.items() if tracker.online] if track is not None else []
    return {name: given.get(name) for name in online}


def _data_files(project: Project, stages: Sequence[Stage]) -> Iterator[str]:
    """The raw data in git, and the files in git that stand for data tracked by DVC."""
    tracked = raw(project, stages)
    yield from (f"{path}.dvc" for path in tracked)
    data, stage = project.get(DataSpec), next((stage for stage in stages if stage.name == "data"), None)
    if data is None or stage is None or data.track != "git":
        return
    outputs, code = {output.path for other in stages for output in other.outputs}, project.surroundings.code
    for path in stage.inputs:
        if path not in outputs and not any(file == path or file.startswith(f"{path}/") for file in code):
            yield from (path, f"{path}/**")


def _pattern(project: Project, path: str) -> str:
    """A file of the project as a filter of `on.push.paths`; `/**` stays a pattern."""
    prefix = project.surroundings.prefix
    folder = f"{project_folder.filter_glob(prefix)}/" if prefix else ""
    name, below = path.removesuffix("/**"), "/**" if path.endswith("/**") else ""
    return f"{folder}{project_folder.filter_glob(name)}{below}"
