"""An account in which parts of a foundation exist before a delivery tool creates it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.bucket import bucket
from mlspec.aws.bucket_provider import BucketProvider
from mlspec.sections.bucket import BucketSpec
from tests.parts.cloudformation.stack_specs import SPECS
from tests.parts.targets import BASE
from tests.shipping.cloud import BuiltImages, Shipped

ISSUER: Final = "https://token.actions.githubusercontent.com"
ACCOUNT: Final = "123456789012"


def foundation_project(target: AwsTarget, folder: Path, tool: str) -> Shipped:
    """A project whose foundation has everything; its role for releases and its OIDC provider exist."""
    (folder / "mlproject.yaml").write_text(BASE + SPECS["everything"].replace("IAC", tool))
    create_release_role(target, "cola")
    return Shipped(folder, target, "no docker", BuiltImages("none"))


def create_release_role(target: AwsTarget, name: str) -> None:
    """The role as an administrator creates it by hand, with other rights, and the OIDC provider that it trusts."""
    iam, owned = target.client("iam"), [{"Key": "mlspec:project", "Value": name}]
    rights = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
    trusted = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    policy, trust = (json.dumps({"Version": "2012-10-17", "Statement": [one]}) for one in (rights, trusted))
    iam.create_role(RoleName=f"{name}-release", AssumeRolePolicyDocument=trust, Tags=owned)
    iam.put_role_policy(RoleName=f"{name}-release", PolicyName="push", PolicyDocument=policy)
    iam.create_open_id_connect_provider(Url=ISSUER, ClientIDList=["sts.amazonaws.com"], Tags=owned)


def create_bucket(target: AwsTarget) -> None:
    """The bucket of the project as `mlspec apply` creates it without a tool, with an earlier lifecycle."""
    desired = bucket("team-data", BucketSpec(), AwsLocation("eu-west-1", ACCOUNT), "cola")
    provider = BucketProvider(target, desired.location)
    for action in provider.diff(desired, None):
        provider.apply(action)


def create_budget(target: AwsTarget, counted: str = "user:mlspec:project$cola") -> None:
    """A monthly budget of the project's name, which counts what carries a tag."""
    limit = {"Amount": "20", "Unit": "USD"}
    budget = {"BudgetName": "cola", "BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": limit}
    filters = {"TagKeyValue": [counted]}
    target.client("budgets").create_budget(AccountId=ACCOUNT, Budget={**budget, "CostFilters": filters})
