"""The function of a small spec, as a deployment would create it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlspec.aws.action import Action, Provider, R
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.ecr import ecr_location
from mlspec.aws.function_spec import FunctionSpec
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from tests.parts.targets import LAMBDA, build

DIGEST = "sha256:" + "1" * 64
OFFLINE = AwsTarget("aws", "eu-west-1", "http://127.0.0.1:9", "", ("testing", "testing"))
"""A target that answers nothing: its clients are stubbed."""


def function(
    target: AwsTarget, folder: Path, options: str = "{}", source: str = "", image: str = f"host/cola@{DIGEST}"
) -> DesiredFunction:
    """`deploy.lambda` with these options."""
    project = build(folder, LAMBDA.replace("{lambda: {}}", f"{{lambda: {options}}}")).project
    lambda_, ecr = project.need(Deploy).lambda_, project.need(Registry).ecr
    assert lambda_ is not None
    location = ecr_location(ecr)
    spec = FunctionSpec(project.info, lambda_, project.need(Package), location, ecr.repository, source)
    own = target if source == target.owner.source else replace(target, owner=replace(target.owner, source=source))
    return DesiredFunction(own, spec, image, {})


def changes(provider: Provider[R], name: str, desired: R | None) -> list[Action]:
    """What the provider would change."""
    return provider.diff(desired, provider.read(name))


def converge(provider: Provider[R], name: str, desired: R | None) -> list[str]:
    """Change it; the lines that a plan shows of it."""
    actions = changes(provider, name, desired)
    for action in actions:
        provider.apply(action)
    return [line for action in actions for line in action.lines()]
