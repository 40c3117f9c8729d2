"""The names of everything that a spec creates in an account, in all of its environments. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlspec.aws.action import ResourceKind
from mlspec.aws.alarm_settings import MEASURES, service_alarm_name
from mlspec.aws.resources import history_group
from mlspec.source.document import Plain
from mlspec.spec.project import Project
from mlspec.spec.shared_values import at


@dataclass(frozen=True)
class SpecNames:
    """The names of each kind; an HTTP API has that of its function."""

    of: Mapping[ResourceKind, frozenset[str]]

    @property
    def functions(self) -> frozenset[str]:
        """The names of the functions."""
        return self.of["function"]

    @property
    def stacks(self) -> frozenset[str]:
        """The names of the stacks."""
        return self.of["stack"]


def spec_names(project: Project) -> SpecNames:
    """The names of a spec, whatever environment is selected."""
    variants = list(project.variants.values())
    functions = {name: alias for values in variants for name, alias in _functions(values)}
    groups = (group for name in functions for group in (f"/aws/lambda/{name}", history_group(name)))
    alarms = (service_alarm_name(name, alias, measure) for name, alias in functions.items() for measure in MEASURES)
    repositories = filter(None, (_text(values, "registry", "ecr", "repository") for values in variants))
    return SpecNames(
        {
            "function": frozenset(functions),
            "log-group": frozenset(groups),
            "alarm": frozenset(alarms),
            "stack": frozenset(stack for name in functions for stack in _stacks(name)),
            "repository": frozenset(repositories),
            "bucket": frozenset(name for values in variants for name in _buckets(values)),
        }
    )


def _functions(values: Mapping[str, Plain]) -> Iterator[tuple[str, str]]:
    if not isinstance(at(values, ("deploy", "lambda")), Mapping):
        return
    name = _text(values, "deploy", "lambda", "name") or _text(values, "project", "name").replace(".", "-")
    yield name, _text(values, "deploy", "lambda", "alias") or "live"


def _stacks(function: str) -> Iterator[str]:
    """SAM and Serverless name a stack after the function, with a letter first."""
    name = re.sub(r"[^A-Za-z0-9-]", "-", function)
    for stack in (name, f"mlspec-{name}"):
        yield from (stack, f"{stack}-foundation")


def _buckets(values: Mapping[str, Plain]) -> Iterator[str]:
    remote = _text(values, "data", "remote")
    if remote.startswith("s3://"):
        yield remote.removeprefix("s3://").partition("/")[0]
    yield from filter(None, (_text(values, "bucket", "name"), _text(values, "package", "zip", "bucket")))


def _text(values: Mapping[str, Plain], *path: str) -> str:
    value = at(values, path)
    return value if isinstance(value, str) else ""
