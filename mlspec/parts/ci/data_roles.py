"""The two roles of the DVC remote on S3: who may assume each, and what it may do. Pure.

Reading is for every job of the repository, writing only for jobs in the environments of training, monitoring and
release, whose protection rules decide which branches get there. A fork's jobs get no token at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.kms_key import READ, WRITE
from mlspec.aws.owned_bucket import bucket_rights
from mlspec.aws.policy_document import PolicyDocument, Statement
from mlspec.parts.ci import monitor_workflow
from mlspec.sections.ci import Ci
from mlspec.sections.data import DataSpec
from mlspec.spec.project import Project, SectionLookup

_ISSUER = "token.actions.githubusercontent.com"


@dataclass(frozen=True, slots=True)
class DataRole:
    """One of the roles: its policies by name, and the GitHub variable that the workflows read its ARN from."""

    access: Literal["read", "write"]
    trust: PolicyDocument
    policies: Mapping[str, PolicyDocument]
    variable: str

    def name(self, function: str) -> str:
        """Its name beside a function."""
        return f"{function[:53]}-data-{self.access}"

    def description(self, function: str) -> str:
        """What it is for."""
        verb = {"read": "Reads", "write": "Reads and writes"}[self.access]
        return f"{verb} the DVC remote of {function} from GitHub Actions"


def data_roles(project: SectionLookup, location: AwsLocation, repository: str) -> tuple[DataRole, ...]:
    """Both roles of the remote of the spec; none without workflows or a remote on S3. `repository` is OWNER/NAME."""
    ci, data = project.get(Ci), project.get(DataSpec)
    remote = (data.remote if data else None) or ""
    if ci is None or not remote.startswith("s3://"):
        return ()
    github, watched = ci.github, monitor_workflow.has_workflow(project)
    environments = (github.training_environment, *((github.monitor_environment, github.environment) if watched else ()))
    writers = tuple(f"repo:{repository}:environment:{name}" for name in environments)
    more = {"monitor": monitor_workflow.policy(project, location.account)} if watched else {}
    writes = _access(project, location.partition, remote, "AbortMultipartUpload", "PutObject")
    return (
        DataRole(
            "read",
            _trust(location, "StringLike", (f"repo:{repository}:*",)),
            {"data": _access(project, location.partition, remote)},
            github.data_read_role_variable,
        ),
        DataRole(
            "write", _trust(location, "StringEquals", writers), {"data": writes, **more}, github.data_role_variable
        ),
    )


def files(project: Project, location: AwsLocation, repository: str) -> dict[str, PolicyDocument]:
    """File name in `s3/` to its content, for who creates the roles without a tool."""
    roles = data_roles(project, location, repository or "${GITHUB_REPOSITORY}")
    kinds = {f"{role.access}-trust": role.trust for role in roles}
    return kinds | {f"{role.access}-policy": role.policies["data"] for role in roles}


def _trust(location: AwsLocation, operator: str, subjects: tuple[str, ...]) -> PolicyDocument:
    """Who may assume the role: jobs with one of the subjects
    (https://docs.github.com/actions/reference/security/oidc)."""
    audience: dict[str, JsonValue] = {f"{_ISSUER}:aud": "sts.amazonaws.com"}
    subject: dict[str, JsonValue] = {f"{_ISSUER}:sub": list[JsonValue](subjects) if len(subjects) > 1 else subjects[0]}
    condition: dict[str, dict[str, JsonValue]] = (
        {"StringEquals": audience | subject}
        if operator == "StringEquals"
        else {"StringEquals": audience, operator: subject}
    )
    provider = {"Federated": location.iam_arn(f"oidc-provider/{_ISSUER}")}
    return PolicyDocument((Statement("sts:AssumeRoleWithWebIdentity", principal=provider, condition=condition),))


def _access(project: SectionLookup, partition: str, remote: str, *writes: str) -> PolicyDocument:
    """Rights on the objects of the remote; none to delete, which `dvc gc --cloud` needs and no workflow does."""
    bucket, _, prefix = remote.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    arn = f"arn:{partition}:s3:::{bucket}"
    objects = "/".join(filter(None, (arn, prefix, "*")))
    listed: dict[str, dict[str, JsonValue]] = {"StringLike": {"s3:prefix": [prefix, f"{prefix}/*"]}} if prefix else {}
    return PolicyDocument(
        (
            Statement(tuple(f"s3:{action}" for action in sorted(("GetObject", *writes))), objects, "Objects"),
            Statement("s3:ListBucket", arn, "List", condition=listed),
            *bucket_rights(project, bucket, WRITE if writes else READ),
        )
    )
