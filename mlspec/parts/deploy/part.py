"""`deploy` to the Lambda function's handler and settings, each valid input of the AWS command that takes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pydantic import BaseModel

from mlspec.aws import cli_input, policies
from mlspec.aws.ecr import github_trust
from mlspec.diagnostics import Finding
from mlspec.parts.deploy import environment_names, lambda_limits
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.ci import Ci
from mlspec.sections.data import DataSpec
from mlspec.sections.deploy import Deploy, Lambda, Rollout
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.spec.project import Project

NAME: Final = "deploy"
SECTIONS: Final[dict[str, type[BaseModel]]] = {"deploy": Deploy}
PROGRAMS: Final[dict[str, str]] = {"deploy": "mlspec.parts.deploy.work:main"}
OBSERVERS: Final[dict[str, str]] = {"deploy": "mlspec.shipping.remote_changes:deploy"}

name_after = environment_names.name_after

_PLAIN: Final = "lambda/settings.json.j2"


def check(project: Project) -> Iterator[Finding]:
    """What Lambda refuses on the day of the deployment, and rollouts that cannot do what they promise."""
    deploy = project.get(Deploy)
    if deploy is None:
        return
    yield from environment_names.check(project, deploy)
    if deploy.lambda_ is not None:
        yield from _sections(project, deploy.lambda_)
        yield from lambda_limits.check(deploy.lambda_, project.get(Package))
    if deploy.rollout is not None:
        if deploy.lambda_ is None:
            message = "a rollout needs something to roll out, and there is no `deploy.lambda`"
            yield Finding("section-needed", ("deploy", "rollout"), message, "add `lambda: {}`", on="key")
        yield from lambda_limits.rollout(deploy.rollout, deploy.lambda_)
        yield from _labels(project, deploy.rollout)
    if deploy.iac != "none":
        yield Finding(
            "iac-not-rendered",
            ("deploy", "iac"),
            f"this release of mlspec writes no files for {deploy.iac}",
            "use the settings in lambda/, ecr/ with the AWS command line; `iac: none` says that you know",
            severity="warning",
        )


def _labels(project: Project, rollout: Rollout) -> Iterator[Finding]:
    data = project.get(DataSpec)
    if rollout.abort_if and rollout.abort_if.psi and data and data.task == "regression":
        message = "`psi` compares how often each label is predicted, and this model predicts a number"
        yield Finding("abort-bound", ("deploy", "rollout", "abort_if", "psi"), message, "leave it out", on="key")


def _sections(project: Project, options: Lambda) -> Iterator[Finding]:
    at, package, registry = ("deploy", "lambda"), project.get(Package), project.get(Registry)
    if package is None:
        yield Finding("section-needed", at, "a Lambda function runs an image, and there is no `package`",
                      "add `package: {docker: {}}`", on="key")  # fmt: skip
    if registry is None and (package is None or package.zip is None):
        yield Finding("section-needed", at, "Lambda pulls its image from Amazon ECR, and there is no `registry`",
                      "add `registry: {ecr: {repository: NAME, region: eu-west-1}}`", on="key")  # fmt: skip
    elif registry is None and options.region is None:
        yield Finding("section-needed", at, "nothing says in which AWS region the function is to be",
                      "add `region: eu-west-1`", on="key")  # fmt: skip
    if registry is not None and options.region not in (None, registry.ecr.region):
        message = f"the function is to be in {options.region}, and Lambda pulls images only from its own region"
        yield Finding("conflicting-options", (*at, "region"), message, "leave it out, or use the registry's")


def _function(project: Project) -> cli_input.Function | None:
    """All that the function follows from; None where something of it is missing."""
    deploy, package = project.get(Deploy), project.get(Package)
    if deploy is None or deploy.lambda_ is None or package is None:
        return None
    ecr = cli_input.ecr_of(deploy.lambda_, project.get(Registry))
    return cli_input.Function(project.info, deploy.lambda_, package, ecr) if ecr else None


def stages(project: Project) -> Iterator[Stage]:
    """Deploying: it changes the account and nothing here but the record of it."""
    function = _function(project)
    if function is None:
        return
    zipped = function.package.zip is not None
    yield Stage(
        name="deploy",
        description="Bring the Lambda function to what the spec says, and the new version to its callers",
        part=NAME,
        inputs=("artifacts/image.json", "artifacts/function.zip" if zipped else "artifacts/release.json"),
        params=("deploy",),
        needs=("extra:aws",),
        effects=True,
    )


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """The handler, and one JSON file for each AWS command."""
    function = _function(project)
    if function is None:
        return
    yield Artifact("lambda/handler.py", "lambda/handler.py.j2")
    made = {**cli_input.files(function), **policies.files(function)}
    ci = project.get(Ci)
    if ci is not None and project.get(Registry) is None:  # with a registry, it lies beside the right to push
        made["github-trust"] = github_trust(function.ecr, ci.github.repository, ci.github.environment)
    for name, value in made.items():
        yield Artifact(f"lambda/{name}.json", _PLAIN, {"value": value})
