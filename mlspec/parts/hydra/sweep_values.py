"""Whether the section that a sweep varies takes the values it is given: its own model judges each. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import ValidationError

from mlspec.diagnostics import Finding
from mlspec.sections.experiments import Parameter
from mlspec.source.document import Plain
from mlspec.spec.project import Project


def refused(project: Project, key: str, parameter: Parameter) -> Iterator[Finding]:
    """The first value that the spec could not have either; of a range, its ends are tried."""
    section, *steps = key.split(".")
    for value in _tried(parameter):
        laid = _laid(project.values.get(section), steps, value)
        try:
            type(project.sections[section]).model_validate_json(json.dumps(laid))
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"]
            message = f"`{key}` cannot be {json.dumps(value)}: {reason[:1].lower()}{reason[1:]}"
            help = "a range of whole numbers says `whole: true`" if "valid integer" in reason else ""
            yield Finding("sweep-range", ("sweep", "parameters", key), message, help, on="key")
            return


def _tried(parameter: Parameter) -> list[Plain]:
    if parameter.values is not None:
        return list(parameter.values)
    ends = [end for end in (parameter.min, parameter.max) if end is not None]
    if parameter.whole:
        return [round(end) for end in ends]
    # A draw between whole ends is seldom whole: the middle shows it.
    return [*ends, (ends[0] + ends[-1]) / 2 + 1e-9] if ends else []


def _laid(node: Plain, steps: list[str], value: Plain) -> Plain:
    if not steps:
        return value
    kept = dict(node) if isinstance(node, dict) else {}
    kept[steps[0]] = _laid(kept.get(steps[0]), steps[1:], value)
    return kept
