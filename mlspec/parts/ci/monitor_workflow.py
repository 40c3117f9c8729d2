"""The workflow that runs `mlspec monitor` on schedule: when there is one, its values, the rights of its role. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import mlspec
from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.function_spec import FunctionSpec, function_location
from mlspec.aws.policy_document import PolicyDocument, Statement
from mlspec.diagnostics import Finding
from mlspec.parts.ci import project_folder
from mlspec.sections.ci import Ci, Github, package_of
from mlspec.sections.data import DataSpec
from mlspec.sections.deploy import Deploy
from mlspec.sections.monitor import Monitor
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.spec.cron import shortest_gap
from mlspec.spec.project import Project, ProjectInfo, SectionLookup

POLICY: Final = "lambda/monitor-policy.json"
TEMPLATE: Final = "github/monitor.yaml.j2"
_EXTRAS: Final = ("aws", "monitor", "s3", "serve")
_PATTERN: Final = re.compile(r"[*?[$]")
"""The end of the literal part of a key: the first three begin a pattern, the last a variable of IAM."""
_TOKEN: Final = "GITHUB_TOKEN"  # noqa: S105 - the name of a variable


def check(project: Project, github: Github) -> Iterator[Finding]:
    """A schedule that GitHub does not keep, and a loop that no workflow can close."""
    monitor = project.get(Monitor)
    if monitor is None:
        return
    if shortest_gap(github.monitor_schedule) < 5:
        message = "GitHub runs a schedule every five minutes at most"
        at = ("ci", "github", "monitor_schedule")
        yield Finding("schedule-too-often", at, message, "for example `23 * * * *`, once an hour")
    yield from _collected(project)
    missing = " and ".join(_missing(project))
    if missing and monitor.on_drift == "retrain":
        message = f"no workflow runs `mlspec monitor retrain`: it needs {missing}"
        help = "add it, or run `mlspec monitor` and `mlspec monitor retrain` on a schedule of your own"
        yield Finding("monitor-not-scheduled", ("monitor", "on_drift"), message, help, severity="warning")


def _collected(project: Project) -> Iterator[Finding]:
    """A folder of collected rows that the workflow cannot name."""
    data = project.get(DataSpec)
    if data is None or data.collected is None or not has_workflow(project):
        return
    if reason := project_folder.fault(data.collected):
        message = f"the folder {data.collected!a} {reason}; the workflow mlspec-monitor cannot name it"
        yield Finding("unfit-folder", ("data", "collected"), message, "use another name, for example data/collected")


def _missing(project: SectionLookup) -> Iterator[str]:
    """What the workflow needs and the spec does not have: where predictions are, and where they stay between runs."""
    data, deploy = project.get(DataSpec), project.get(Deploy)
    if deploy is None or deploy.lambda_ is None:
        yield "`deploy.lambda`, whose log has the predictions"
    if data is None or not (data.remote or "").startswith("s3://"):
        yield "an s3:// address in `data.remote`, where the state is stored"


def has_workflow(project: SectionLookup) -> bool:
    """Whether the spec has all that the workflow needs."""
    return project.get(Ci) is not None and project.get(Monitor) is not None and not any(_missing(project))


def extras(project: Project) -> list[str]:
    """The extras of mlspec that watching the model needs."""
    return sorted({*_EXTRAS, *(("elastic",) if project.need(Monitor).elasticsearch else ())})


def values(project: Project, github: Github, training: Iterable[str], secrets: Iterable[str]) -> dict[str, object]:
    """The values of the template; `training` are the extras of a training, `secrets` the variables of `monitor`."""
    monitor = project.need(Monitor)
    issue = monitor.notify.github
    needed = extras(project)
    return {
        "install_to_monitor": package_of(github, mlspec.__version__, *needed),
        "install_to_retrain": package_of(github, mlspec.__version__, *sorted({*needed, *training})),
        "retrains": monitor.on_drift == "retrain",
        "issues": issue is not None and issue.token.env == _TOKEN,
        "monitor_secrets": sorted(secrets),
        "policy": POLICY,
    }


def read_by_monitor(project: Project) -> list[object]:
    """The options whose secrets `mlspec monitor` reads: where it reports to, and whom it notifies."""
    monitor = project.need(Monitor)
    elastic = monitor.elasticsearch
    return [
        monitor.notify.model_dump(mode="json"),
        elastic.model_dump(mode="json", include={"url", "api_key"}) if elastic else None,
    ]


def policy(project: SectionLookup, account: str = "") -> PolicyDocument:
    """The rights that the role of the DVC remote needs beside those on the remote.

    `account` stands for the account instead of what the spec names.
    """
    deploy, data = project.need(Deploy), project.need(DataSpec)
    location = function_location(deploy.lambda_, project.get(Registry)) if deploy.lambda_ else None
    if location is not None and account:
        location = AwsLocation(location.region, account)
    bucket, _, prefix = (data.remote or "").removeprefix("s3://").partition("/")
    partition = location.partition if location else "aws"
    below = "/".join(filter(None, (f"arn:{partition}:s3:::{bucket}", prefix.strip("/"), "monitor/*")))
    statements = [
        Statement(("s3:DeleteObject", "s3:GetObject", "s3:PutObject"), below, "Store"),
        # No condition on the prefix: without this right S3 answers 403, not 404, for a key that does not exist yet.
        Statement("s3:ListBucket", f"arn:{partition}:s3:::{bucket}", "FindStore"),
        *_labels(project, partition, bucket),
    ]
    if location is not None and deploy.lambda_ is not None:
        function = FunctionSpec(project.need(ProjectInfo), deploy.lambda_, project.need(Package), location)
        statements.insert(0, _predictions(function))
    return PolicyDocument(tuple(statements))


def _labels(project: SectionLookup, partition: str, store: str) -> Iterator[Statement]:
    """Reading the files of `monitor.labels.source` in S3; `store` is the bucket that may be listed already."""
    labels = project.need(Monitor).labels
    if labels is None or not labels.source.startswith("s3://"):
        return
    bucket, _, key = labels.source.removeprefix("s3://").partition("/")
    fixed = _PATTERN.split(key, maxsplit=1)[0]
    arn = f"arn:{partition}:s3:::{bucket}"
    yield Statement("s3:GetObject", f"{arn}/{fixed}" if fixed == key else f"{arn}/{fixed}*", "Labels")
    if bucket != store:
        yield Statement("s3:ListBucket", arn, "FindLabels")


def _predictions(function: FunctionSpec) -> Statement:
    """Reading what the function logged."""
    group = function.location.arn("logs", f"log-group:{function.log_group_name}")
    return Statement("logs:FilterLogEvents", (group, f"{group}:*"), "Predictions")
