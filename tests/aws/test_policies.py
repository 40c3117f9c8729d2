"""The generated policies: who deploys cannot become an administrator by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlspec.aws.policy_document import PolicyDocument
from tests.parts.targets import EXPORT, LAMBDA, codes, files

BOUNDARY = "arn:aws:iam::123456789012:policy/ml-functions"
BOUNDED = LAMBDA.replace("{lambda: {}}", f'{{lambda: {{permissions_boundary: "{BOUNDARY}"}}}}')
ZIP = EXPORT + "package: {zip: {}}\ndeploy: {lambda: {region: eu-west-1}}\n"
OWN = LAMBDA.replace("{lambda: {}}", '{lambda: {role: "arn:aws:iam::123456789012:role/own"}}')
READS = {"iam:GetRole", "iam:GetRolePolicy"}
WITHIN_A_BOUNDARY = {"iam:CreateRole", "iam:PutRolePolicy"}
"""Actions with the condition key `iam:PermissionsBoundary` that `deploy` needs."""
CI = ("lambda/deploy-policy.json", "ecr/push-policy.json")


def allowed(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each action of a policy with its statement."""
    for statement in json.loads(text)["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        yield from ((action, statement) for action in actions)


@pytest.mark.parametrize("spec", [LAMBDA, BOUNDED, ZIP, OWN], ids=["default", "boundary", "zip", "role"])
def test_ci_writes_no_role_beyond_a_boundary(spec: str, tmp_path: Path) -> None:
    generated = files(tmp_path, spec)
    for path in CI:
        for action, statement in allowed(generated.get(path, '{"Statement": []}')):
            assert "*" not in action
            if not action.startswith("iam:") or action in READS:
                continue
            condition = statement.get("Condition", {}).get("StringEquals", {})
            assert statement["Resource"] != "*"
            if action in WITHIN_A_BOUNDARY:
                assert condition == {"iam:PermissionsBoundary": BOUNDARY}, (path, action)
            elif action == "iam:PassRole":
                assert condition == {"iam:PassedToService": "lambda.amazonaws.com"}
            else:
                assert (spec, action) == (BOUNDED, "iam:TagRole"), (path, action)


def test_an_administrators_file_has_the_rights_that_ci_lacks(tmp_path: Path) -> None:
    generated = files(tmp_path, LAMBDA)
    assert {action for action, _ in allowed(generated["lambda/role-admin-policy.json"])} == {
        *READS, "iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy", "iam:TagRole",
        "iam:UpdateAssumeRolePolicy",
    }  # fmt: skip
    assert "lambda/role-admin-policy.json" not in files(tmp_path, OWN)


@pytest.mark.parametrize("url", ["true", "{type: http-api}"])
def test_only_a_project_with_an_http_api_may_change_one(url: str, tmp_path: Path) -> None:
    own = files(tmp_path, LAMBDA.replace("{lambda: {}}", f"{{lambda: {{url: {url}}}}}"))
    for name in ("deploy", "destroy"):
        document = PolicyDocument.parse(json.loads(own[f"lambda/{name}-policy.json"]))
        methods = {action for action in document.actions if action.startswith("apigateway:")} - {"apigateway:GET"}
        assert bool(methods) == ("api" in url), name


def test_a_boundary_is_a_policys_arn(tmp_path: Path) -> None:
    assert codes(tmp_path, BOUNDED) == []
    assert codes(tmp_path, BOUNDED.replace(BOUNDARY, "ml-functions")) == ["bad-format"]


@pytest.mark.parametrize("url", ["true", "{type: http-api}"])
def test_who_delivers_beside_terraform_reads_an_api_only_where_there_is_one(url: str, tmp_path: Path) -> None:
    spec = LAMBDA.replace("{lambda: {}}", f"{{iac: terraform, lambda: {{url: {url}}}}}") + "ci:\n"
    assert ("apigateway:GET" in files(tmp_path, spec)["terraform/foundation/github.tf"]) == ("api" in url)
