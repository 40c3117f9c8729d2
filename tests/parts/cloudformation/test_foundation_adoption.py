"""A foundation stack takes over what an administrator, or an earlier `mlspec apply`, has created."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.aws.aws_target import AwsTarget
from mlspec.errors import StageError
from tests.parts.cloudformation.adopting import lint, taking_over
from tests.shipping.foundation import ISSUER, create_bucket, create_budget, foundation_project


@pytest.fixture
def target(stack_target: AwsTarget) -> AwsTarget:
    """An account whose CloudFormation imports."""
    return stack_target


@pytest.mark.slow
def test_a_foundation_takes_over_the_role_for_releases_and_the_projects_own_provider(
    target: AwsTarget, tmp_path: Path
) -> None:
    sam = taking_over(foundation_project(target, tmp_path, "sam"), deploys=True)
    with pytest.raises(StageError, match="iam role cola-release exists already"):
        sam.plan("foundation", adopt=False)
    create_bucket(target)
    planned = sam.plan("foundation")
    taken = [line.partition(" stack cola-foundation ")[2] for line in planned if line.endswith("taken over")]
    assert taken == [
        "Bucket: AWS::S3::Bucket, taken over",
        "BucketPolicy: AWS::S3::BucketPolicy, taken over",
        "ReleaseRole: AWS::IAM::Role, taken over",
        "GithubOidcProvider: AWS::IAM::OIDCProvider, taken over",
    ]
    assert any("Bucket LifecycleConfiguration" in line for line in planned), "kept for 30 days, and 90 in the spec"
    assert any("ReleaseRole MaxSessionDuration" in line or "ReleaseRole AssumeRole" in line for line in planned)
    sam.apply("foundation")
    [request] = sam.requests
    assert lint(request) == []
    assert sam.plan("foundation") == []
    iam = target.client("iam")
    [provider] = [
        one["ResourceIdentifier"]["Arn"] for one in request["ResourcesToImport"] if "OIDC" in one["ResourceType"]
    ]
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)["Url"] in ISSUER


def test_a_bucket_that_a_stack_cannot_create_is_refused(target: AwsTarget, tmp_path: Path) -> None:
    sam = taking_over(foundation_project(target, tmp_path, "sam"))
    target.client("iam").delete_role_policy(RoleName="cola-release", PolicyName="push")
    target.client("iam").delete_role(RoleName="cola-release")
    create_bucket(target)
    with pytest.raises(StageError, match="s3 bucket team-data exists already and is not in the stack") as refused:
        sam.plan("foundation", adopt=False)
    assert "take it over: mlspec apply --adopt; or use it as it is: remove the section `bucket`" in refused.value.help
    target.client("s3").put_bucket_tagging(
        Bucket="team-data", Tagging={"TagSet": [{"Key": "mlspec:project", "Value": "b"}]}
    )
    with pytest.raises(StageError, match="s3 bucket team-data exists already: it belongs to the project b"):
        sam.plan("foundation")


def test_what_a_foundation_does_not_take_over_is_refused(target: AwsTarget, tmp_path: Path) -> None:
    sam = taking_over(foundation_project(target, tmp_path, "sam"))
    create_budget(target)
    with pytest.raises(StageError, match="CloudFormation can neither create nor take it over") as refused:
        sam.plan("foundation")
    assert "aws budgets delete-budget --account-id 123456789012 --budget-name cola" in refused.value.help
    target.client("iam").tag_role(RoleName="cola-release", Tags=[{"Key": "mlspec:project", "Value": "other"}])
    target.client("budgets").delete_budget(AccountId="123456789012", BudgetName="cola")
    with pytest.raises(StageError, match="iam role cola-release exists already: it belongs to the project other"):
        sam.plan("foundation")
