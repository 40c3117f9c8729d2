"""The section `orchestrate`. The files of each orchestrator are in a part of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.orchestrate import pipeline_options
from mlspec.parts.part_protocol import no_artifacts as artifacts
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.sections.data import DataSpec
from mlspec.sections.orchestrate import Orchestrate, Orchestrator
from mlspec.spec.names import closest
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "artifacts", "check", "stages"]

NAME: Final = "orchestrate"
PROGRAMS: Mapping[str, str] = {}


def check(project: Project) -> Iterator[Finding]:
    """A section without an orchestrator, which generates nothing; orchestrators that nothing is generated for."""
    options = project.get(Orchestrate)
    if options is None:
        return
    known = list(Orchestrate.model_fields)
    if not options.model_fields_set:
        message = "`orchestrate` names no orchestrator, so nothing is generated"
        listed = ", ".join(f"`{name}: {{}}`" for name in known)
        yield Finding("section-needed", ("orchestrate",), message, f"add one of {listed}, or remove it", on="key")
    for name in known:
        if (orchestrator := getattr(options, name)) is not None:
            yield from _checkout(project, name, orchestrator)
    for name in options.model_extra or ():
        near = closest(name, known, least=0.75)  # Metaflow is not a misspelled Airflow
        other = f"did you mean `{near}`?" if near else "any other one calls `mlspec run STAGE`"
        help = f"files are generated for {_listed(known)}; {other}"
        message = f"mlspec generates no files for the orchestrator `{name}`"
        yield Finding("unknown-orchestrator", ("orchestrate", name), message, help, on="key")


def _checkout(project: Project, name: str, options: Orchestrator) -> Iterator[Finding]:
    """Options of a clone without a repository; results that are pushed nowhere, or in git and nowhere else."""
    at = ("orchestrate", name)
    for option in ("branch", "propose") if options.repository is None else ():
        if getattr(options, option):
            message = f"`{option}` has no effect without `repository`"
            yield Finding("conflicting-options", (*at, option), message, "remove it", on="key")
    data = project.get(DataSpec)
    if options.push and data is not None and data.remote is None:
        message = "`push` needs a DVC remote, and `data.remote` is not set"
        help = "add `data.remote`, for example s3://my-bucket/dvc; or remove `push`"
        yield Finding("section-needed", (*at, "push"), message, help, on="key")
    elif options.repository is not None and not pipeline_options.pushes(project, options):
        yield from _lost(name, options)


def _lost(name: str, options: Orchestrator) -> Iterator[Finding]:
    """Results that are deleted with the clone: an error where a branch refers to them."""
    help = "set `data.remote`, and remove `push: false`"
    if options.propose:
        message = "`propose` publishes a dvc.lock whose outputs are on no DVC remote"
        yield Finding("conflicting-options", ("orchestrate", name, "propose"), message, help, on="key")
    else:
        message = "the results of a training are deleted with the clone of the repository: no DVC remote has them"
        at = ("orchestrate", name, "repository")
        yield Finding("conflicting-options", at, message, help, on="key", severity="warning")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:-1]) + f" and `{names[-1]}`"
