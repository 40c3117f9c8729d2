"""`deploy` to the Lambda function's handler and settings, each valid input of the AWS command that takes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mlspec.aws import cli_input, policies
from mlspec.aws.ecr import github_trust
from mlspec.aws.function_spec import FunctionSpec, function_location
from mlspec.aws.owned_bucket import bucket_name, upload_rights
from mlspec.diagnostics import Finding
from mlspec.parts.deploy import environment_names, lambda_limits
from mlspec.parts.infrastructure_stages import after_infrastructure
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.ci import Ci
from mlspec.sections.data import DataSpec
from mlspec.sections.delivery_tool import delivery_tool
from mlspec.sections.deploy import Deploy, Lambda, Rollout
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.sections.signature_files import signature_files
from mlspec.spec.project import Project

NAME: Final = "deploy"
PROGRAMS: Final[dict[str, str]] = {"deploy": "mlspec.parts.deploy.work:main"}
OBSERVERS: Final[dict[str, str]] = {"deploy": "mlspec.shipping.remote_changes:deploy"}

name_after = environment_names.name_after

_PLAIN: Final = "lambda/settings.json.j2"
_DYNAMIC: Final = re.compile(r"\{\{resolve:(?:ssm|ssm-secure|secretsmanager):")
"""Dynamic references (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html)."""


def check(project: Project) -> Iterator[Finding]:
    """What Lambda would refuse when the project is deployed, and rollouts that cannot work as configured."""
    deploy = project.get(Deploy)
    if deploy is None:
        return
    yield from environment_names.check(project, deploy)
    if deploy.lambda_ is not None:
        yield from _sections(project, deploy.lambda_)
        yield from lambda_limits.check(deploy.lambda_, project.get(Package))
        yield from _references(project, deploy.lambda_)
    if deploy.rollout is not None:
        if deploy.lambda_ is None:
            message = "`deploy.rollout` needs `deploy.lambda`"
            yield Finding("section-needed", ("deploy", "rollout"), message, "add `lambda: {}`", on="key")
        yield from lambda_limits.rollout(deploy.rollout, deploy.lambda_)
        yield from _labels(project, deploy.rollout)


def _references(project: Project, options: Lambda) -> Iterator[Finding]:
    """Variables that CloudFormation would replace, where the tool of the spec does not use it."""
    tool = delivery_tool(project)
    if tool.releases:  # as a stack of CloudFormation
        return
    for name, value in options.environment.items():
        if isinstance(value, str) and _DYNAMIC.search(value):
            how = f"`iac: {tool.name}`" if tool.creates else "a deployment without `iac`"
            message = f"{how} sets `{name}` to this text: only CloudFormation replaces `{{{{resolve:...}}}}` by a value"
            help = f"take the secret from the environment (`{name}: {{env: NAME}}`), or use `iac: sam` or `serverless`"
            at = ("deploy", "lambda", "environment", name)
            yield Finding("unresolved-reference", at, message, help, severity="warning")


def _labels(project: Project, rollout: Rollout) -> Iterator[Finding]:
    data = project.get(DataSpec)
    if rollout.abort_if and rollout.abort_if.psi and data and data.task == "regression":
        message = "`psi` compares how often each label is predicted, and this model predicts a number"
        yield Finding("abort-bound", ("deploy", "rollout", "abort_if", "psi"), message, "leave it out", on="key")


def _sections(project: Project, options: Lambda) -> Iterator[Finding]:
    at, package, registry = ("deploy", "lambda"), project.get(Package), project.get(Registry)
    if package is None:
        yield Finding(
            "section-needed",
            at,
            "`deploy.lambda` needs `package`: the image or zip that the function runs",
            "add `package: {docker: {}}`",
            on="key",
        )
    if registry is None and (package is None or package.zip is None):
        yield Finding(
            "section-needed",
            at,
            "`deploy.lambda` needs `registry`: Lambda pulls its image from Amazon ECR",
            "add `registry: {ecr: {repository: NAME, region: eu-west-1}}`",
            on="key",
        )
    elif registry is None and options.region is None:
        yield Finding(
            "section-needed",
            at,
            "`deploy.lambda` needs `region`: the AWS region of the function",
            "add `region: eu-west-1`",
            on="key",
        )
    if registry is not None and options.region not in (None, registry.ecr.region):
        message = f"deploy.lambda.region is {options.region}, and Lambda pulls images only from its own region"
        yield Finding("conflicting-options", (*at, "region"), message, "leave it out, or use that of the registry")


def _function(project: Project) -> FunctionSpec | None:
    """The function of the spec; None where a section that it needs is missing."""
    deploy, package, registry = project.get(Deploy), project.get(Package), project.get(Registry)
    if deploy is None or deploy.lambda_ is None or package is None:
        return None
    location = function_location(deploy.lambda_, registry)
    repository = registry.ecr.repository if registry else ""
    if location is None:
        return None
    return FunctionSpec(project.info, deploy.lambda_, package, location, repository, upload=upload_rights(project))


def stages(project: Project) -> Iterator[Stage]:
    """The stage `deploy`: changes the account, and of the project only the record of the release."""
    function = _function(project)
    if function is None:
        return
    zipped = function.package.zip is not None
    signed = signature_files(project)
    yield Stage(
        name="deploy",
        description="Update the Lambda function and roll the new version out to clients",
        part=NAME,
        inputs=(
            "artifacts/image.json",
            "artifacts/function.zip" if zipped else "artifacts/release.json",
            *(("artifacts/bundle", *signed) if signed else ()),
            *after_infrastructure(project, "service"),
        ),
        params=("deploy",),
        needs=("extra:aws", *(("extra:sign",) if signed else ())),
        effects=True,
    )


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """The handler, and one JSON file for each AWS command."""
    function = _function(project)
    if function is None:
        return
    yield Artifact("lambda/handler.py", "lambda/handler.py.j2")
    contents = {**cli_input.files(function), **policies.files(function, bucket_name(project))}
    ci = project.get(Ci)
    if ci is not None and project.get(Registry) is None:  # with a registry, it lies beside the right to push
        trust = github_trust(function.location, ci.github.repository, ci.github.environment)
        contents["github-trust"] = trust.to_json()
    for name, value in contents.items():
        yield Artifact(f"lambda/{name}.json", _PLAIN, {"value": value})
