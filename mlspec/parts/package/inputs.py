"""The kinds of a project's inputs, as the completed `data` section has them."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.spec.project import Project


def kinds(project: Project) -> dict[str, str]:
    """Input name to `text`, `number`, `category` or `image`; empty where the data section names none."""
    data = project.values.get("data")
    inputs = data.get("inputs") if isinstance(data, Mapping) else None
    if not isinstance(inputs, Mapping):
        return {}
    return {name: str(given.get("type") if isinstance(given, Mapping) else given) for name, given in inputs.items()}
