"""What the foundation takes over of an account: the project's own, by the ids that Terraform imports it with."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import desired_function
from mlspec.errors import StageError
from mlspec.parts.terraform.existing import to_adopt
from tests.shipping.cloud import Shipped
from tests.shipping.foundation import ACCOUNT, create_budget, foundation_project

NOTHING: frozenset[str] = frozenset()


def adopted(project: Shipped, state: frozenset[str] = NOTHING) -> dict[str, str]:
    job = project.job()
    return to_adopt(job, desired_function(project.target, job, ""), "foundation", state)


def test_the_projects_own_role_provider_and_budget_are_taken_over(target: AwsTarget, tmp_path: Path) -> None:
    project = foundation_project(target, tmp_path, "terraform")
    create_budget(target)
    assert adopted(project) == {
        "oidc_provider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com",
        "release_role": "cola-release",
        "release_role_push": "cola-release:push",
        "budget": f"{ACCOUNT}:cola",
    }
    state = frozenset({"aws_iam_role.release", "aws_iam_openid_connect_provider.github[0]", "aws_budgets_budget.this"})
    assert adopted(project, state) == {}


def test_what_is_another_projects_is_left_or_refused(target: AwsTarget, tmp_path: Path) -> None:
    project = foundation_project(target, tmp_path, "terraform")
    iam, other = target.client("iam"), [{"Key": "mlspec:project", "Value": "other"}]
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=other)
    assert "oidc_provider" not in adopted(project), "the account has it once: it is used as it is"
    iam.tag_role(RoleName="cola-release", Tags=other)
    with pytest.raises(StageError, match="iam role cola-release exists already: it belongs to the project other"):
        adopted(project)
    iam.untag_role(RoleName="cola-release", TagKeys=["mlspec:project"])
    with pytest.raises(StageError, match="it was not created by mlspec") as refused:
        adopted(project)
    assert "mlspec apply --adopt" in refused.value.help
    iam.delete_role_policy(RoleName="cola-release", PolicyName="push")
    iam.delete_role(RoleName="cola-release")
    create_budget(target, "user:mlspec:project$other")
    with pytest.raises(StageError, match="does not count the costs of this project"):
        adopted(project)


def test_the_projects_own_bucket_is_taken_over_with_the_settings_that_it_has(target: AwsTarget, tmp_path: Path) -> None:
    project, client = foundation_project(target, tmp_path, "terraform"), target.client("s3")
    assert "bucket" not in adopted(project)
    client.create_bucket(Bucket="team-data", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with pytest.raises(StageError, match="s3 bucket team-data exists already: it was not created by mlspec"):
        adopted(project)
    client.put_bucket_tagging(Bucket="team-data", Tagging={"TagSet": [{"Key": "mlspec:project", "Value": "cola"}]})
    assert {name for name in adopted(project) if name.startswith("bucket")} == {"bucket"}
    client.put_bucket_versioning(Bucket="team-data", VersioningConfiguration={"Status": "Enabled"})
    assert "bucket_versioning" in adopted(project)
    assert "bucket" not in adopted(project, frozenset({"aws_s3_bucket.this"}))


def test_a_bucket_with_settings_that_terraform_would_remove_is_refused(target: AwsTarget, tmp_path: Path) -> None:
    project, client = foundation_project(target, tmp_path, "terraform"), target.client("s3")
    client.create_bucket(Bucket="team-data", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client.put_bucket_tagging(Bucket="team-data", Tagging={"TagSet": [{"Key": "mlspec:project", "Value": "cola"}]})
    rule = {"ID": "archive", "Status": "Enabled", "Filter": {"Prefix": "raw/"}, "Expiration": {"Days": 9}}
    client.put_bucket_lifecycle_configuration(Bucket="team-data", LifecycleConfiguration={"Rules": [rule]})
    with pytest.raises(StageError, match="terraform would remove: the lifecycle rule archive") as refused:
        adopted(project)
    assert "remove the section `bucket`" in refused.value.help
