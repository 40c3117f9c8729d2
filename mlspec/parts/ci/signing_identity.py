"""Keyless signing: only the workflow that `export.sign.keyless` names may export a bundle. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.ci.monitor_workflow import has_workflow
from mlspec.sections.ci import Github
from mlspec.sections.data import DataSpec
from mlspec.sections.export import ExportSpec, Keyless
from mlspec.sections.monitor import Monitor
from mlspec.sections.package import Package
from mlspec.spec.project import Project

_ISSUER: Final = "https://token.actions.githubusercontent.com"
_AT: Final = ("export", "sign", "keyless")
_KEY: Final = "sign with a key of your own (`export.sign.key`)"


def keyless(project: Project) -> Keyless | None:
    """The options of keyless signing; None where the bundle is signed with a key, or not at all."""
    export = project.get(ExportSpec)
    return export.sign.keyless if export is not None and export.sign is not None else None


def check(project: Project, github: Github, workflow: str) -> Iterator[Finding]:
    """An export in a job with another identity, which would fail after its training. `workflow` is that of training."""
    options = keyless(project)
    if options is None:
        return
    yield from _identity(options, github, workflow)
    for at, what, instead in (*_branches(options, github), *_others(project, github)):
        message = f"{what}, and signs the bundle as another identity than `export.sign.keyless` names"
        yield Finding("conflicting-options", at, message, f"{instead}, or {_KEY}")


def _identity(options: Keyless, github: Github, workflow: str) -> Iterator[Finding]:
    """What the training workflow signs as: its file, on one branch."""
    if options.issuer != _ISSUER:
        message = f"the workflows sign with identities of {_ISSUER}, not of {options.issuer}"
        yield Finding("conflicting-options", (*_AT, "issuer"), message, f"use that issuer, or {_KEY}")
        return
    owner = re.escape(github.repository) if github.repository else "[^/]+/[^/]+"
    if not re.fullmatch(rf"https://[^/]+/{owner}/{re.escape(workflow)}@refs/heads/.+", options.identity):
        right = f"https://github.com/{github.repository or 'OWNER/NAME'}/{workflow}@refs/heads/BRANCH"
        message = f"no training signs as `{options.identity}`: the training workflow is {workflow}, on a branch"
        yield Finding("conflicting-options", (*_AT, "identity"), message, f"set it to {right}, or {_KEY}")


def _branches(options: Keyless, github: Github) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Pushes to other branches that train: the identity has one branch, and a pattern stands for several."""
    signing = options.identity.partition("@refs/heads/")[2]
    if not signing or not {"push", "data"} & set(github.train_on):
        return
    for number, branch in enumerate(github.branches):
        if branch != signing:
            what, instead = f"a push to `{branch}` trains there", f"let only pushes to `{signing}` train"
            yield ("ci", "github", "branches", number), what, instead


def _others(project: Project, github: Github) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Exports elsewhere: the place in the spec, what happens there, and what avoids it."""
    data, monitor, at = project.get(DataSpec), project.get(Monitor), ("ci", "github", "train_on")
    if "pull_request" in github.train_on:
        place = (*at, github.train_on.index("pull_request"))
        yield place, "a training on a pull request runs on the branch of that", "remove `pull_request`"
    if project.get(Package) is not None and not (data is not None and data.remote):
        what = "without `data.remote` the release workflow trains"
        yield _AT, what, "store the model that was trained in `data.remote`"
    if monitor is not None and monitor.on_drift == "retrain" and has_workflow(project):
        what = "`retrain` trains in the workflow mlspec-monitor"
        yield ("monitor", "on_drift"), what, "use `alert`, and train with mlspec-train"
