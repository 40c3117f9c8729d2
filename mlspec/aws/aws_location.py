"""An AWS account and region, and the names that follow from them. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

PLACEHOLDER: Final = "${AWS_ACCOUNT_ID}"
"""Stands in generated files for an account that the spec does not name; `envsubst` fills it in."""


class AwsLocation(NamedTuple):
    """An account and a region. The account is PLACEHOLDER where it is not known."""

    region: str
    account: str = PLACEHOLDER

    @property
    def partition(self) -> str:
        """AWS's partition of the region."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def iam_arn(self, resource: str) -> str:
        """The ARN of an IAM resource of this account, which belongs to no region."""
        return f"arn:{self.partition}:iam::{self.account}:{resource}"

    @property
    def registry(self) -> str:
        """The host of the account's Amazon ECR registry."""
        suffix = ".cn" if self.partition == "aws-cn" else ""
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com{suffix}"

    def image_uri(self, repository: str) -> str:
        """The address of an image repository, without tag or digest."""
        return f"{self.registry}/{repository}"
