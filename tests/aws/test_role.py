"""The function's role: an administrator creates it, credentials without rights on roles are refused plainly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlspec.aws.converge import carry_out

from mlspec.aws import cli_input, role
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction
from mlspec.errors import StageError
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from tests.parts.targets import LAMBDA, build
from tests.shipping.weather import answers

BOUNDARY = "arn:aws:iam::123456789012:policy/ml-functions"
BOUNDED = f'{{lambda: {{permissions_boundary: "{BOUNDARY}"}}}}'
DENIED = (403, "AccessDenied", "User: ci is not authorized to perform: iam:CreateRole on resource: role cola")


def wanted(target: AwsTarget, folder: Path, deploy: str = "{lambda: {}}") -> DesiredFunction:
    project = build(folder, LAMBDA.replace("{lambda: {}}", deploy)).project
    options = project.need(Deploy).lambda_
    assert options is not None
    function = cli_input.Function(project.info, options, project.need(Package), project.need(Registry).ecr)
    return DesiredFunction(target, function, "", {})


def applied(asked: DesiredFunction) -> list[str]:
    lines: list[str] = []
    carry_out(role.steps(asked), lines.append)
    return lines


def test_an_administrator_creates_the_role(target: AwsTarget, tmp_path: Path) -> None:
    asked = wanted(target, tmp_path)
    assert applied(asked) == ["+ iam role cola: [logs:CreateLogStream, logs:PutLogEvents]"]
    assert applied(asked) == []


def test_a_missing_role_that_may_not_be_created_is_named(target: AwsTarget, tmp_path: Path) -> None:
    asked = wanted(target, tmp_path)
    answers(target.client("iam"), "CreateRole", DENIED)
    with pytest.raises(StageError, match="the role cola does not exist, and these credentials may not create it") as no:
        applied(asked)
    assert "iam:CreateRole" in no.value.message
    assert "lambda/role-admin-policy.json" in no.value.help


def test_a_changed_role_that_may_not_be_written_is_named(target: AwsTarget, tmp_path: Path) -> None:
    asked, client = wanted(target, tmp_path), target.client("iam")
    applied(asked)
    other = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
    client.put_role_policy(RoleName="cola", PolicyName="mlspec", PolicyDocument=json.dumps(other))
    answers(client, "PutRolePolicy", DENIED)
    with pytest.raises(StageError, match="policy of the role cola differs, and these credentials may not change it"):
        applied(asked)


def test_a_changed_trust_that_may_not_be_written_is_named(target: AwsTarget, tmp_path: Path) -> None:
    asked, client = wanted(target, tmp_path), target.client("iam")
    applied(asked)
    trust = cli_input.role_trust()
    trust["Statement"][0]["Principal"] = {"Service": "ec2.amazonaws.com"}
    client.update_assume_role_policy(RoleName="cola", PolicyDocument=json.dumps(trust))
    answers(client, "UpdateAssumeRolePolicy", DENIED)
    with pytest.raises(StageError, match="trust of the role cola differs, and these credentials may not change it"):
        applied(asked)


def test_the_role_is_created_within_its_boundary(target: AwsTarget, tmp_path: Path) -> None:
    applied(wanted(target, tmp_path))
    asked, client = wanted(target, tmp_path, BOUNDED), target.client("iam")
    assert applied(asked) == [f"+ iam role cola permissions boundary: {BOUNDARY}"]
    assert applied(asked) == []
    client.delete_role_policy(RoleName="cola", PolicyName="mlspec")
    client.delete_role(RoleName="cola")
    applied(asked)
    bound = client.get_role(RoleName="cola")["Role"]["PermissionsBoundary"]
    assert bound["PermissionsBoundaryArn"] == BOUNDARY
