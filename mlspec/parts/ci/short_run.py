"""What the test workflow runs of the pipeline: the check of the data, and a training of two steps. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.diagnostics import Finding
from mlspec.sections.data import DataSpec
from mlspec.sections.export import ExportSpec
from mlspec.sections.track import TrackSpec
from mlspec.spec.project import Project


def check(project: Project) -> Iterator[Finding]:
    """A test workflow that tests nothing."""
    if "test" in project.sections or stages(project):
        return
    message = f"the workflow mlspec-test tests nothing: the spec has no section `test`, and {untrained(project)}"
    needed = "`test:`" if "export" in project.sections else "`export:` and `test:`"
    help = f"add {needed} (empty for the defaults); a short training runs with `train` and `data.track: git`"
    yield Finding("nothing-tested", ("ci",), message, help, on="key", severity="warning")


def untrained(project: Project) -> str:
    """Why no short training runs, as part of a sentence; "" if one does."""
    data = project.get(DataSpec)
    if data is None or "train" not in project.sections:
        return "it has no model to train"
    return "" if _in_git(data) else "the raw data is not in git"


def stages(project: Project) -> list[str]:
    """The arguments of each `mlspec run`. A signed bundle is not exported: this workflow has no secrets."""
    data = project.get(DataSpec)
    if data is None or not _in_git(data):
        return []
    if untrained(project):
        return ["data"]
    export, track = project.get(ExportSpec), project.get(TrackSpec)
    whole = export is not None and export.onnx.quantize == "none" and export.sign is None
    online = [name for name, tracker in track.trackers.items() if tracker.online] if track is not None else []
    train = " ".join(["train train.max_steps=2", *(f"track.{name}.mode=disabled" for name in online)])
    return ["data", train, *(["export"] if whole else [])]


def _in_git(data: DataSpec) -> bool:
    return data.track == "git" and data.kind != "remote"
