"""The track part: options that the stage `train` reads, and the stage `track`, which uploads what came after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlspec.diagnostics import Finding
from mlspec.parts.bundle_path import BUNDLE
from mlspec.parts.evaluate.part import METRICS
from mlspec.parts.part_protocol import no_artifacts as artifacts
from mlspec.parts.train.part import CHECKPOINT
from mlspec.plan.stage import Stage
from mlspec.sections.track import TrackSpec
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "artifacts", "check", "stages"]

NAME = "track"
PROGRAMS: Mapping[str, str] = {"track": "mlspec.parts.track.work:main"}


def check(project: Project) -> Iterator[Finding]:
    """Two ways to log in to one server."""
    track = project.get(TrackSpec)
    mlflow = track.mlflow if track is not None else None
    if mlflow is None:
        return
    at = ("track", "mlflow")
    if (mlflow.username is None) != (mlflow.password is None):
        missing = "password" if mlflow.password is None else "username"
        message = f"MLflow logs in with a user name and its password, and `{missing}` is missing"
        help = f"{missing}: {{env: MLFLOW_TRACKING_{missing.upper()}}}"
        yield Finding("incomplete-login", at, message, help, on="key")
    if mlflow.token is not None and mlflow.username is not None:
        message = "MLflow logs in with a user name and its password, or with a token, not with both"
        yield Finding("conflicting-options", (*at, "token"), message, "remove `token`, or `username` and `password`")


def stages(project: Project) -> Iterator[Stage]:
    """The stage `track` if a tracker is online that shows what later stages made."""
    track = project.get(TrackSpec)
    online = [t for t in (track.trackers.values() if track else ()) if t.online and t.UPLOADED]
    if not online or "train" not in project.sections:
        return
    results = {"export": BUNDLE, "evaluate": METRICS}
    yield Stage(
        NAME,
        "Upload runs, results and the model to the trackers",
        NAME,
        inputs=(CHECKPOINT, *(path for section, path in results.items() if section in project.sections)),
        params=(NAME,),
        needs=tuple(dict.fromkeys(f"extra:{tracker.EXTRA}" for tracker in online)),
        effects=True,
    )
