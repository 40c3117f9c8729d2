"""The two roles of the DVC remote on S3: who may assume each, and what it may do. Pure.

Reading is for every job of the repository, writing only for jobs in the environments of training, monitoring and
release, whose protection rules decide which branches get there. A fork's jobs get no token at all.
"""

from __future__ import annotations

from pydantic import JsonValue

from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.policy_document import PolicyDocument, Statement

_ISSUER = "token.actions.githubusercontent.com"


def files(
    location: AwsLocation, remote: str, repository: str, environments: tuple[str, ...]
) -> dict[str, PolicyDocument]:
    """File name in `s3/` to its content; `remote` is `s3://BUCKET/PREFIX`."""
    subject = f"repo:{repository or '${GITHUB_REPOSITORY}'}"
    writers = tuple(f"{subject}:environment:{name}" for name in environments)
    return {
        "read-trust": _trust(location, "StringLike", (f"{subject}:*",)),
        "read-policy": _access(location.partition, remote),
        "write-trust": _trust(location, "StringEquals", writers),
        "write-policy": _access(location.partition, remote, "AbortMultipartUpload", "PutObject"),
    }


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


def _access(partition: str, remote: str, *writes: str) -> PolicyDocument:
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
        )
    )
