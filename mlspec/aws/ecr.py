"""Amazon ECR's settings as JSON that the AWS command line takes, and the names that follow from them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from mlspec.sections.registry import Ecr

Json = dict[str, Any]
KEEP: Final = "keep-"
"""Opening of the tags that protect an image from the lifecycle: `keep-7` is on that of the function's version 7."""


def account(ecr: Ecr) -> str:
    """The AWS account; a placeholder for `envsubst` where the spec does not name it."""
    return ecr.account or "${AWS_ACCOUNT_ID}"


def arn(ecr: Ecr, service: str, resource: str) -> str:
    """An ARN in the registry's account and region."""
    partition = (
        "aws-cn" if ecr.region.startswith("cn-") else "aws-us-gov" if ecr.region.startswith("us-gov-") else "aws"
    )
    return f"arn:{partition}:{service}:{ecr.region}:{account(ecr)}:{resource}"


def host(ecr: Ecr) -> str:
    """The registry's host."""
    return f"{account(ecr)}.dkr.ecr.{ecr.region}.amazonaws.com" + (".cn" if ecr.region.startswith("cn-") else "")


def image_uri(ecr: Ecr) -> str:
    """The repository's address, without tag or digest."""
    return f"{host(ecr)}/{ecr.repository}"


def tags(project: str) -> dict[str, str]:
    """Tags of all that is made for a project; what does not carry them is not mlspec's to change or remove."""
    return {"mlspec:project": project, "mlspec:managed-by": "mlspec"}


def create_repository(ecr: Ecr, project: str) -> Json:
    """Input of `aws ecr create-repository`."""
    encryption = {"encryptionType": "KMS", "kmsKey": ecr.kms_key} if ecr.kms_key else {"encryptionType": "AES256"}
    return {
        "repositoryName": ecr.repository,
        "imageTagMutability": "IMMUTABLE" if ecr.immutable else "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": ecr.scan},
        "encryptionConfiguration": encryption,
        "tags": [{"Key": key, "Value": value} for key, value in tags(project).items()],
    }


def lifecycle(ecr: Ecr) -> Json:
    """Policy text of `aws ecr put-lifecycle-policy`: untagged images and all but the newest releases go.

    What is live, and what one would go back to, has a tag of its own (KEEP). The first rule selects those tags and
    never has enough images to expire one; and an image that a rule selects is out of reach of every rule after it
    (https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html, "considerations").
    """
    return {
        "rules": [
            _rule(1, "what is live and what one goes back to stays",
                  {"tagStatus": "tagged", "tagPatternList": [f"{KEEP}*"], "countType": "imageCountMoreThan",
                   "countNumber": 1000}),
            _rule(2, "untagged images go after a week", {"tagStatus": "untagged", "countType": "sinceImagePushed",
                                                         "countUnit": "days", "countNumber": 7}),
            _rule(3, f"the newest {ecr.keep} releases stay", {"tagStatus": "tagged", "tagPatternList": ["*"],
                                                             "countType": "imageCountMoreThan",
                                                             "countNumber": ecr.keep}),
        ]
    }  # fmt: skip


def _rule(priority: int, description: str, selection: Json) -> Json:
    return {
        "rulePriority": priority,
        "description": description,
        "selection": selection,
        "action": {"type": "expire"},
    }


def repository_policy(ecr: Ecr, on_lambda: bool) -> Json | None:
    """Policy text of `aws ecr set-repository-policy`; None where nobody but the account itself needs the images."""
    pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    statements: list[Json] = []
    if on_lambda:
        source = arn(ecr, "lambda", "function:*")
        statements.append({
            "Sid": "LambdaPull", "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": pull,
            "Condition": {"StringLike": {"aws:sourceArn": source}},
        })  # fmt: skip
    if ecr.pull_accounts:
        roots = [f"arn:{partition(ecr)}:iam::{number}:root" for number in ecr.pull_accounts]
        statements.append({
            "Sid": "AccountPull", "Effect": "Allow", "Principal": {"AWS": roots},
            "Action": [*pull, "ecr:BatchCheckLayerAvailability"],
        })  # fmt: skip
    return {"Version": "2012-10-17", "Statement": statements} if statements else None


def partition(ecr: Ecr) -> str:
    """AWS's partition of the region."""
    return arn(ecr, "", "").split(":")[1]


_LOG_IN: Final[Json] = {
    "Sid": "LogIn", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"
}  # fmt: skip
_PULL: Final = ("BatchCheckLayerAvailability", "BatchGetImage", "DescribeImages", "GetDownloadUrlForLayer")
_PUSH: Final = ("CompleteLayerUpload", "InitiateLayerUpload", "PutImage", "UploadLayerPart")
_SETTLE: Final = ("CreateRepository", "DeleteRepositoryPolicy", "DescribeRepositories", "GetLifecyclePolicy",
                  "GetRepositoryPolicy", "ListTagsForResource", "PutImageScanningConfiguration",
                  "PutImageTagMutability", "PutLifecyclePolicy", "SetRepositoryPolicy", "TagResource")  # fmt: skip
_KEEP: Final = (*_PULL, "BatchDeleteImage", "GetRepositoryPolicy", "ListImages", "PutImage")


def push_policy(ecr: Ecr) -> Json:
    """What the stage `push` may do: log in, settle this one repository, and push to it."""
    statements = [_LOG_IN, repository_rights("Push", ecr, _PULL + _PUSH), repository_rights("Settle", ecr, _SETTLE)]
    if ecr.kms_key:
        use = ["kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant"]
        statements.append({"Sid": "Key", "Effect": "Allow", "Action": use, "Resource": ecr.kms_key})
    return {"Version": "2012-10-17", "Statement": statements}


def keep_rights(ecr: Ecr) -> list[Json]:
    """What the stage `deploy` may do with images: read them, and tag those that are to be kept."""
    return [_LOG_IN, repository_rights("Image", ecr, _KEEP)]


def repository_rights(sid: str, ecr: Ecr, actions: Iterable[str]) -> Json:
    """A statement that allows ECR's `actions` on this one repository."""
    resource = arn(ecr, "ecr", f"repository/{ecr.repository}")
    return {"Sid": sid, "Effect": "Allow", "Action": [f"ecr:{a}" for a in sorted(actions)], "Resource": resource}


def github_trust(ecr: Ecr, repository: str, environment: str) -> Json:
    """Who may take the releasing role: a job of that GitHub repository, in that environment, and nothing else."""
    issuer = "token.actions.githubusercontent.com"
    provider = f"arn:{partition(ecr)}:iam::{account(ecr)}:oidc-provider/{issuer}"
    subject = f"repo:{repository or '${GITHUB_REPOSITORY}'}:environment:{environment}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": subject}},
            }
        ],
    }
