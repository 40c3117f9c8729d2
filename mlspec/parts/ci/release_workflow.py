"""The job of the release workflow that pushes and deploys, and how long it may take. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import mlspec
from mlspec.aws.function_spec import function_location
from mlspec.diagnostics import Finding
from mlspec.parts.ci.github_limits import LONGEST
from mlspec.plan.stage import Stage
from mlspec.sections.ci import Ci, Github, package_of
from mlspec.sections.data import DataSpec
from mlspec.sections.delivery_tool import delivery_tool
from mlspec.sections.deploy import Deploy, Rollout
from mlspec.sections.export import ExportSpec
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.source import npm_lock
from mlspec.source.dockerfile_lock import pinned
from mlspec.spec.project import Project
from mlspec.spec.types import duration_seconds

_SHIPPING: Final = {"push": "ecr/push-policy.json", "deploy": "lambda/deploy-policy.json"}
"""Stages that need rights in the account, each with the policy that grants them."""
_EMULATOR: Final = "public.ecr.aws/lambda/python:3.12"
"""AWS's image of a runtime that has the Lambda runtime interface emulator in it."""
_PUSH: Final = 30
"""Minutes for the installation and the push of the image."""
_SESSION: Final = 3600
LONGEST_SESSION: Final = 43_200
"""Seconds that a role assumed by OIDC lasts, by default and at most
(https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html)."""


def values(project: Project, github: Github, stages: Sequence[Stage]) -> dict[str, object]:
    """The values of the template for the job that ships."""
    deploy, registry, package = project.get(Deploy), project.get(Registry), project.get(Package)
    data = project.get(DataSpec)
    shipping = [stage.name for stage in stages if stage.name in _SHIPPING]
    location = function_location(deploy.lambda_, None) if deploy and deploy.lambda_ else None
    region = registry.ecr.region if registry else location.region if location else ""
    minutes = ship_minutes(deploy.rollout if deploy else None)
    tool = delivery_tool(project)
    role, releasing = tool.role_file, (*_SHIPPING, *([tool.service] if tool.releases else []))
    run = [stage.name for stage in stages if stage.name in releasing]
    return {
        "zipped": bool(package and package.zip),
        "ships": " and ".join(shipping),
        "attests": github.attestations if github.attestations != "never" and shipping else "",
        "trains": not (data and data.remote),
        "deploying": "".join(f" --only {name}" for name in run if name != "push"),
        "deploys": "deploy" in shipping,
        "emulator_image": pinned(_EMULATOR, project.surroundings.bases),
        "rights": [role] if role else [_SHIPPING[name] for name in shipping],
        "trust": role or ("ecr/github-trust.json" if registry else "lambda/github-trust.json"),
        "region": region,
        "with_env": f" --env {github.env}" if github.env else "",
        "npm_package": tool.npm_package,
        "npm_folder": npm_lock.FOLDER,
        "npm_lock": npm_lock.FILE,
        "install_to_ship": package_of(github, mlspec.__version__, "aws", *signing_extras(project)),
        "ship_minutes": minutes,
        "session": min(minutes * 60, LONGEST_SESSION) if minutes * 60 > _SESSION else None,
    }


def emulator_image(project: Project) -> str:
    """The image that the workflows take Lambda's emulator from, with its tag; "" where no workflow tests a function."""
    deploy, package = project.get(Deploy), project.get(Package)
    tests = package is not None and deploy is not None and deploy.lambda_ is not None
    return _EMULATOR if tests and project.get(Ci) is not None else ""


def signing_extras(project: Project) -> list[str]:
    """The extra that signs the bundle at its export, and that verifies it before a deployment."""
    export = project.get(ExportSpec)
    return ["sign"] if export is not None and export.sign is not None else []


def ship_minutes(rollout: Rollout | None) -> int:
    """Minutes for a push and a rollout."""
    return min(_PUSH + (math.ceil(rollout.longest / 60) if rollout is not None else 0), LONGEST)


def check(project: Project) -> Iterator[Finding]:
    """A rollout that the job cannot wait for."""
    deploy = project.get(Deploy)
    rollout = deploy.rollout if deploy is not None else None
    if rollout is None or (needed := _PUSH + math.ceil(rollout.longest / 60)) <= LONGEST:
        return
    message = f"the release is stopped after {LONGEST} minutes, GitHub's limit; with this rollout it may take {needed}"
    help = "shorten the interval or the patience, or use fewer steps"
    key = "interval" if duration_seconds(rollout.interval) > duration_seconds(rollout.patience) else "patience"
    yield Finding("time-limit-too-short", ("deploy", "rollout", key), message, help, severity="warning")
