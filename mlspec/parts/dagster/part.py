"""`orchestrate.dagster` to a Dagster project: a component that loads the stages from mlspec, and one use of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mlspec.parts.orchestrate import pipeline_options
from mlspec.parts.part_protocol import no_check as check
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.orchestrate import Dagster, Orchestrate
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "artifacts", "check", "stages"]

NAME: Final = "dagster"
PROGRAMS: Mapping[str, str] = {}
FOLDER: Final = "orchestrate/dagster"
_FILES: Final = {
    "pyproject.toml": "dagster/pyproject.toml.j2",
    "src/{module}/__init__.py": "dagster/package.py.j2",
    "src/{module}/definitions.py": "dagster/definitions.py.j2",
    "src/{module}/components/__init__.py": "dagster/package.py.j2",
    "src/{module}/components/mlspec_pipeline.py": "dagster/mlspec_pipeline.py.j2",
    "src/{module}/defs/__init__.py": "dagster/package.py.j2",
    "src/{module}/defs/pipeline/defs.yaml": "dagster/defs.yaml.j2",
}
"""The layout of `create-dagster project` (https://docs.dagster.io/guides/build/projects/creating-projects)."""


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterator[Artifact]:
    """The project in `orchestrate/dagster`. Stages are not in it: Dagster loads them from `mlspec graph --json`."""
    section = project.get(Orchestrate)
    if section is None or section.dagster is None:
        return
    module = f"mlspec_{pipeline_options.identifier(project.info.name)}"
    values = _values(project, section.dagster, module)
    for path, template in _FILES.items():
        yield Artifact(f"{FOLDER}/{path.format(module=module)}", template, values)


def _values(project: Project, options: Dagster, module: str) -> dict[str, object]:
    environments = pipeline_options.environments(project)
    return {
        "module": module,
        "partitions": {name: chosen or "" for name, chosen in environments.items()} if len(environments) > 1 else {},
        "schedule": pipeline_options.schedule(project, options),
        "new_data": options.new_data and pipeline_options.watches_data(project),
        "alarms": pipeline_options.retrains(project),
        **pipeline_options.checkout(project, options),
    }
