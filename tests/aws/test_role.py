"""The function's role: an administrator creates it, credentials without rights on roles are refused plainly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.function_spec import role_trust
from mlspec.aws.role import RoleProvider
from mlspec.errors import StageError
from tests.aws.functions import converge, function
from tests.shipping.weather import answers

BOUNDARY = "arn:aws:iam::123456789012:policy/ml-functions"
BOUNDED = f'{{permissions_boundary: "{BOUNDARY}"}}'
DENIED = (403, "AccessDenied", "User: ci is not authorized to perform: iam:CreateRole on resource: role cola")


def applied(deployed: DesiredFunction) -> list[str]:
    return converge(RoleProvider(deployed.target), "cola", deployed.spec.role())


def test_an_administrator_creates_the_role(target: AwsTarget, tmp_path: Path) -> None:
    deployed = function(target, tmp_path)
    assert applied(deployed) == ["+ iam role cola: [logs:CreateLogStream, logs:PutLogEvents]"]
    assert applied(deployed) == []


def test_a_missing_role_that_may_not_be_created_is_named(target: AwsTarget, tmp_path: Path) -> None:
    deployed = function(target, tmp_path)
    answers(target.client("iam"), "CreateRole", DENIED)
    with pytest.raises(StageError, match="the role cola does not exist, and these credentials may not create it") as no:
        applied(deployed)
    assert "iam:CreateRole" in no.value.message
    assert "lambda/role-admin-policy.json" in no.value.help


def test_a_changed_role_that_may_not_be_written_is_named(target: AwsTarget, tmp_path: Path) -> None:
    deployed, client = function(target, tmp_path), target.client("iam")
    applied(deployed)
    other = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
    client.put_role_policy(RoleName="cola", PolicyName="mlspec", PolicyDocument=json.dumps(other))
    answers(client, "PutRolePolicy", DENIED)
    with pytest.raises(StageError, match="policy of the role cola differs, and these credentials may not change it"):
        applied(deployed)


def test_a_changed_trust_that_may_not_be_written_is_named(target: AwsTarget, tmp_path: Path) -> None:
    deployed, client = function(target, tmp_path), target.client("iam")
    applied(deployed)
    trust = json.dumps(role_trust().to_json()).replace("lambda.amazonaws.com", "ec2.amazonaws.com")
    client.update_assume_role_policy(RoleName="cola", PolicyDocument=trust)
    answers(client, "UpdateAssumeRolePolicy", DENIED)
    with pytest.raises(
        StageError, match="trust policy of the role cola differs, and these credentials may not change it"
    ):
        applied(deployed)


def test_the_role_is_created_within_its_boundary(target: AwsTarget, tmp_path: Path) -> None:
    applied(function(target, tmp_path))
    deployed, client = function(target, tmp_path, BOUNDED), target.client("iam")
    assert applied(deployed) == [f"+ iam role cola permissions boundary: {BOUNDARY}"]
    assert applied(deployed) == []
    client.delete_role_policy(RoleName="cola", PolicyName="mlspec")
    client.delete_role(RoleName="cola")
    applied(deployed)
    bound = client.get_role(RoleName="cola")["Role"]["PermissionsBoundary"]
    assert bound["PermissionsBoundaryArn"] == BOUNDARY
