"""Names that follow from an account and a region, in AWS's three partitions."""

from __future__ import annotations

import pytest

from mlspec.aws.aws_location import AwsLocation


@pytest.mark.parametrize(
    ("region", "partition", "registry"),
    [
        ("eu-west-1", "aws", "123456789012.dkr.ecr.eu-west-1.amazonaws.com"),
        ("cn-north-1", "aws-cn", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com"),
    ],
)
def test_names(region: str, partition: str, registry: str) -> None:
    location = AwsLocation(region, "123456789012")
    assert location.arn("lambda", "function:cola") == f"arn:{partition}:lambda:{region}:123456789012:function:cola"
    assert location.iam_arn("role/cola") == f"arn:{partition}:iam::123456789012:role/cola"
    assert location.image_uri("team/cola") == f"{registry}/team/cola"


def test_an_unknown_account_is_a_placeholder_for_envsubst() -> None:
    assert AwsLocation("eu-west-1").arn("logs", "x") == "arn:aws:logs:eu-west-1:${AWS_ACCOUNT_ID}:x"
