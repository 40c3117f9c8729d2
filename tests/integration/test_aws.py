"""AWS's own description of its calls (botocore's service models) holds the settings that we write for them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import validate_parameters

from tests.parts.targets import BASE, LAMBDA, PACKAGE, REGISTRY, files

EVERYTHING = (
    PACKAGE
    + REGISTRY.replace("}}", ', pull_accounts: ["210987654321"], kms_key: "arn:aws:kms:eu-west-1:123456789012:key/a"}}')
    + """\
deploy:
  lambda:
    memory: 2048
    timeout: 60
    ephemeral_storage: 1024
    url: {auth: iam, cors_origins: ["https://example.org"]}
    environment: {LOG_LEVEL: info, TOKEN: {env: SERVICE_TOKEN}}
    vpc: {subnets: [subnet-1a2b], security_groups: [sg-1a2b]}
    tracing: true
    alarms: {error_rate: "> 0.05", p95_ms: "> 400", notify: ["arn:aws:sns:eu-west-1:123456789012:on-call"]}
  rollout: {strategy: canary, abort_if: {error_rate: "> 0.01"}}
ci:
"""
)
CALLS = {
    "lambda/function.json": ("lambda", "CreateFunction"),
    "lambda/url.json": ("lambda", "CreateFunctionUrlConfig"),
    "lambda/alarm-error-rate.json": ("cloudwatch", "PutMetricAlarm"),
    "lambda/alarm-p95-ms.json": ("cloudwatch", "PutMetricAlarm"),
    "lambda/log-group.json": ("logs", "PutRetentionPolicy"),
    "ecr/repository.json": ("ecr", "CreateRepository"),
}

DOCUMENTS = re.compile(r"-(policy|trust)\.json$|^lambda/api\.json$")
"""Policies, and the settings of an HTTP API, which several calls take."""


def filled(text: str) -> Any:
    """As `envsubst` would fill it."""
    values = {"AWS_ACCOUNT_ID": "123456789012", "IMAGE_DIGEST": "sha256:" + "0" * 64}
    return json.loads(re.sub(r"\$\{(\w+)\}", lambda m: values.get(m[1], m[0]), text))


def patterns(value: Any, shape: Any, at: str = "") -> list[str]:
    """Values that break a pattern, an enumeration or a length of the service model, which botocore leaves to AWS."""
    if shape.type_name == "structure":
        return [f for k, v in value.items() for f in patterns(v, shape.members[k], f"{at}.{k}")]
    if shape.type_name == "list":
        return [f for v in value for f in patterns(v, shape.member, f"{at}[]")]
    if shape.type_name == "map":
        return [f for v in value.values() for f in patterns(v, shape.value, f"{at}{{}}")]
    rules, results = shape.metadata, []
    pattern = re.sub(r"(\\p\{\w+\})+", r"\\w\\s", rules.get("pattern", ".*"))
    if shape.type_name == "string" and not re.fullmatch(pattern, value, re.DOTALL):
        results.append(f"{at}: {value!r} is not {pattern}")
    if rules.get("enum") and value not in rules["enum"]:
        results.append(f"{at}: {value!r}")
    if shape.type_name == "integer" and not rules.get("min", value) <= value <= rules.get("max", value):
        results.append(f"{at}: {value!r}")
    if shape.type_name == "string" and not rules.get("min", 0) <= len(value) <= rules.get("max", 10**6):
        results.append(f"{at}: length {len(value)}")
    return results


@pytest.mark.parametrize("text", [LAMBDA, EVERYTHING, LAMBDA.replace(', account: "123456789012"', "")],
                         ids=["smallest", "everything", "no-account"])  # fmt: skip
def test_every_settings_file_is_input_of_its_call(text: str, tmp_path: Path) -> None:
    generated, session = files(tmp_path, text), botocore.session.get_session()
    inputs = {p for p in generated if re.match(r"(lambda|ecr)/", p) and p.endswith(".json") and not DOCUMENTS.search(p)}
    assert inputs <= CALLS.keys(), "name the call that takes the file"
    for path in sorted(inputs):
        service, operation = CALLS[path]
        shape = session.get_service_model(service).operation_model(operation).input_shape
        value = filled(generated[path])
        validate_parameters(value, shape)
        assert patterns(value, shape) == [], path


def test_a_wrong_setting_is_detected(tmp_path: Path) -> None:
    shape = botocore.session.get_session().get_service_model("lambda").operation_model("CreateFunction").input_shape
    value = filled(files(tmp_path, LAMBDA)["lambda/function.json"])
    assert patterns({**value, "MemorySize": 64, "Timeout": 901}, shape)


def statements(text: str) -> list[dict[str, Any]]:
    policy = filled(text)
    assert policy["Version"] == "2012-10-17"
    result: list[dict[str, Any]] = policy["Statement"]
    return result


def test_rights_are_least(tmp_path: Path) -> None:
    generated = files(tmp_path, EVERYTHING)
    anywhere = {"ecr:GetAuthorizationToken", "cloudwatch:GetMetricData", "xray:PutTraceSegments"}
    for path in ("lambda/role-policy.json", "lambda/deploy-policy.json", "ecr/push-policy.json"):
        for statement in statements(generated[path]):
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert not [a for a in actions if "*" in a]
            if statement["Resource"] == "*":
                assert anywhere & set(actions) or all(a.startswith("ec2:") for a in actions)
    (role,) = statements(files(tmp_path, LAMBDA)["lambda/role-policy.json"])
    assert role["Resource"] == "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/cola:*"


def test_only_the_repositorys_releases_may_take_the_role(tmp_path: Path) -> None:
    text = LAMBDA + "ci: {github: {repository: octo/cola, environment: live}}\n"
    (trust,) = statements(files(tmp_path, text)["ecr/github-trust.json"])
    assert trust["Condition"]["StringEquals"] == {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub": "repo:octo/cola:environment:live",
    }


def test_moto_takes_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An emulated AWS: it keeps what it is told, so this shows the calls fit together, not that a function runs."""
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("MOTO_LAMBDA_STUB_ECR", "true")  # no image is pushed here
    generated = files(tmp_path, LAMBDA.replace("{lambda: {}}", "{lambda: {url: true}}"))
    with mock_aws():
        ecr, iam, client = (boto3.client(name, region_name="eu-west-1") for name in ("ecr", "iam", "lambda"))
        ecr.create_repository(**filled(generated["ecr/repository.json"]))
        ecr.put_lifecycle_policy(repositoryName="cola", lifecyclePolicyText=generated["ecr/lifecycle-policy.json"])
        ecr.set_repository_policy(
            repositoryName="cola", policyText=json.dumps(filled(generated["ecr/repository-policy.json"]))
        )
        iam.create_role(RoleName="cola", AssumeRolePolicyDocument=generated["lambda/role-trust.json"])
        iam.put_role_policy(RoleName="cola", PolicyName="cola", PolicyDocument=generated["lambda/role-policy.json"])
        answer = client.create_function(**filled(generated["lambda/function.json"]))
        client.create_alias(FunctionName="cola", Name="live", FunctionVersion=answer["Version"])
        client.create_function_url_config(**filled(generated["lambda/url.json"]))
        assert client.get_function(FunctionName="cola:live")["Configuration"]["MemorySize"] == 1024


def test_the_description_is_cut_to_what_lambda_takes(tmp_path: Path) -> None:
    base = BASE.replace("Is this English sentence grammatical?", "x" * 400)
    assert len(filled(files(tmp_path, LAMBDA, base)["lambda/function.json"])["Description"]) == 256
