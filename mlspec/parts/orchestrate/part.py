"""The section `orchestrate`. The files of each orchestrator are in a part of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.part_protocol import no_artifacts as artifacts
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.sections.data import DataSpec
from mlspec.sections.orchestrate import Orchestrate
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
    data = project.get(DataSpec)
    for name in known if data is not None and data.remote is None else ():
        orchestrator = getattr(options, name)
        if orchestrator is not None and orchestrator.push:
            message = "`push` needs a DVC remote, and `data.remote` is not set"
            help = "add `data.remote`, for example s3://my-bucket/dvc; or remove `push`"
            yield Finding("section-needed", ("orchestrate", name, "push"), message, help, on="key")
    for name in options.model_extra or ():
        near = closest(name, known, least=0.75)  # Metaflow is not a misspelled Airflow
        other = f"did you mean `{near}`?" if near else "any other one calls `mlspec run STAGE`"
        help = f"files are generated for {_listed(known)}; {other}"
        message = f"mlspec generates no files for the orchestrator `{name}`"
        yield Finding("unknown-orchestrator", ("orchestrate", name), message, help, on="key")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:-1]) + f" and `{names[-1]}`"
