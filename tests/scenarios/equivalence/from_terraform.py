"""The resources of Terraform's modules, from the plan of a configuration that has all of them.

A plan takes seconds, most of them for the provider to start: there is one plan for all modules of a test session.
"""

from __future__ import annotations

import copy
import json
import os
import posixpath
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from tests.conftest import missing
from tests.parts.terraform.providers import provider_folder
from tests.scenarios.equivalence.canonical import (
    ACCOUNT,
    API,
    ARCHIVE,
    ARCHIVE_FILE,
    DIGEST,
    SECRETS,
    VERSION,
    CanonicalResource,
    Key,
    archived,
    canonical,
)
from tests.scenarios.equivalence.every_value import expanded
from tests.scenarios.equivalence.from_cloudformation import CONDITIONAL, KEPT, REGION

Values = Mapping[str, JsonValue]
_IMAGE: Final = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/cola@{DIGEST}"
_SECRETS: Final = {"TOKEN": "SERVICE_TOKEN"}
"""Variables of the functions whose value is a secret, each with the name of the secret."""
_ROOT: Final = """\
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "eu-west-1"
}
"""
_BLOCK: Final = re.compile(r'(?ms)^(provider "aws" \{\n.*?^\}\n|  (?:# [^\n]*\n  )?backend "\w+" \{\n.*?^  \}\n)')
"""Blocks that belong into the root of a configuration."""


@dataclass(frozen=True)
class TerraformResource:
    """One planned resource: what is known of it, and what its settings refer to."""

    type: str
    name: str
    values: dict[str, JsonValue]
    expressions: dict[str, JsonValue]
    """Of each setting and each block that the module has, as Terraform reports them."""
    depends_on: list[JsonValue]

    @property
    def references(self) -> Mapping[str, str]:
        """Of each setting the first."""
        return {
            name: str(one["references"][0])
            for name, one in self.expressions.items()
            if isinstance(one, dict) and isinstance(one.get("references"), list) and one["references"]
        }

    @property
    def all_references(self) -> frozenset[str]:
        """Those of its blocks too."""
        return frozenset(_all_references(self.expressions))


Plan = Mapping[str, list[TerraformResource]]


def planned(modules: Mapping[str, Mapping[str, str]], folder: Path, endpoint: str) -> Plan:
    """The planned resources of each module, given by its files."""
    terraform = shutil.which("terraform") or missing("terraform")
    calls = [_ROOT]
    for name, files in modules.items():
        (folder / name).mkdir(parents=True)
        for path, text in files.items():
            (folder / name / path).write_text(_BLOCK.sub("", text))
        variables = "".join(files.values())
        image = f'  image_uri = "{_IMAGE}"\n' if 'variable "image_uri"' in variables else ""
        github = '  github_repository = "octo-org/cola"\n' if 'variable "github_repository"' in variables else ""
        secrets = "".join(
            f"  secret_{variable} = {json.dumps(SECRETS[secret])}\n"
            for variable, secret in _SECRETS.items()
            if f'variable "secret_{variable}"' in variables
        )
        calls.append(f'module "{name}" {{\n  source = "./{name}"\n{image}{github}{secrets}}}\n')
    (folder / "main.tf").write_text("\n".join(calls))
    environ = {**os.environ, "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "x"}
    environ.pop("TF_CLI_CONFIG_FILE", None)
    init = ["init", "-input=false", "-no-color", f"-plugin-dir={provider_folder()}"]
    for arguments in (init, ["plan", "-input=false", "-no-color", "-out=plan"], ["show", "-json", "plan"]):
        done = subprocess.run([terraform, *arguments], cwd=folder, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return dict(_modules(json.loads(done.stdout)))


def _modules(plan: Mapping[str, Mapping[str, JsonValue]]) -> Iterator[tuple[str, list[TerraformResource]]]:
    root, calls = plan["planned_values"]["root_module"], plan["configuration"]["root_module"]
    assert isinstance(root, dict)
    assert isinstance(calls, dict)
    for module in _list(root["child_modules"]):
        name = str(module["address"]).removeprefix("module.")
        configured = {str(r["address"]): r for r in _list(_dict(calls["module_calls"], name, "module")["resources"])}
        yield (
            name,
            [
                _resource(one, configured[f"{one['type']}.{one['name']}"])
                for one in _list(module["resources"])
                if one["mode"] == "managed"
            ],
        )


def _list(value: JsonValue) -> list[dict[str, JsonValue]]:
    assert isinstance(value, list)
    return [one for one in value if isinstance(one, dict)]


def _dict(value: JsonValue, *path: str) -> dict[str, JsonValue]:
    for name in path:
        assert isinstance(value, dict)
        value = value[name]
    assert isinstance(value, dict)
    return value


def _resource(planned: Values, configured: Values) -> TerraformResource:
    expressions, explicit = _dict(configured.get("expressions", {})), configured.get("depends_on", [])
    assert isinstance(explicit, list)
    if "count_expression" in configured:
        expressions = {**expressions, "count": configured["count_expression"]}
    return TerraformResource(
        str(planned["type"]), str(planned["name"]), _dict(planned["values"]), expressions, explicit
    )


def with_documents(resource: TerraformResource) -> TerraformResource:
    """A copy whose policies are values instead of texts."""
    copied = copy.deepcopy(resource)
    return replace(copied, values={name: expanded(value) for name, value in copied.values.items()})


def _all_references(value: JsonValue) -> Iterator[str]:
    """Everything that the expressions of a resource refer to, its blocks among them."""
    if isinstance(value, dict):
        listed = value.get("references")
        if isinstance(listed, list):
            yield from map(str, listed)
        yield from (one for inner in value.values() for one in _all_references(inner))
    elif isinstance(value, list):
        yield from (one for inner in value for one in _all_references(inner))


def from_modules(*modules: list[TerraformResource]) -> list[CanonicalResource]:
    """The resources of both modules of a project."""
    return [one for module in modules for one in _Module(module).canonical()]


@dataclass(frozen=True)
class _Module:
    resources: list[TerraformResource]

    def canonical(self) -> Iterator[CanonicalResource]:
        for resource in self.resources:
            if resource.type in _TYPES:
                yield from self._ordered(resource)
            else:
                owner = f"{_PARTS[resource.type]}."
                assert any(one.startswith(owner) for one in resource.all_references), (
                    f"{resource.name} is before {owner}"
                )

    def _ordered(self, resource: TerraformResource) -> Iterator[CanonicalResource]:
        """A function publishes its version itself, and so after it."""
        parts = list(_TYPES[resource.type](self, resource))
        named = frozenset(key for one in resource.all_references for key in self._keys(one))
        explicit = frozenset(key for one in resource.depends_on for key in self._keys(str(one)))
        yield replace(parts[0], after=named | explicit, explicitly_after=explicit)
        yield from (replace(one, after=frozenset({(parts[0].type, parts[0].name)})) for one in parts[1:])

    def _keys(self, reference: str) -> Iterator[Key]:
        """What exists once the resource of a reference does. A role is complete with its last policy."""
        type, name, attribute = [*reference.split("[")[0].split("."), "", ""][:3]
        attribute = reference.rpartition(".")[2] if "[" in reference else attribute
        for one in self.resources:
            if (one.type, one.name) != (type, name):
                continue
            if one.type == "aws_iam_role_policy":
                yield "AWS::IAM::Role", str(self.value(one, "role"))
            elif one.type == "aws_iam_role" and self._has_policies(one):
                yield "AWS::IAM::Role without its policies", str(one.values["name"])
            elif one.type in _TYPES:
                parts = list(_TYPES[one.type](self, one))
                yield from ((m.type, m.name) for m in (parts if attribute == "version" else parts[:1]))

    def _has_policies(self, role: TerraformResource) -> bool:
        parts = self.parts("aws_iam_role_policy")
        return any(self.value(part, "role") == role.values["name"] for part in parts)

    def value(self, resource: TerraformResource, setting: str) -> JsonValue:
        """The value of a setting, or what it refers to."""
        if resource.values.get(setting) is not None:
            return resource.values[setting]
        reference = resource.references.get(setting)
        return self._resolved(reference) if reference else None

    def _resolved(self, reference: str) -> JsonValue:
        type, name, attribute = reference.split(".")[:3]
        [of] = [one for one in self.resources if (one.type, one.name) == (type, name)]
        match type, attribute:
            case "aws_iam_role", "arn":
                return f"arn:aws:iam::{ACCOUNT}:role/{of.values['name']}"
            case "aws_iam_role", "id":
                return of.values["name"]
            case "aws_s3_bucket", "id":
                return of.values["bucket"]
            case "aws_lambda_function", "version":
                return VERSION
            case "aws_lambda_alias", "arn":
                return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{of.values['function_name']}:{of.values['name']}"
            case "aws_apigatewayv2_api", "id":
                return API
            case "aws_apigatewayv2_api", "execution_arn":  # the text around the reference is not in a plan
                return f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{API}/*/*"
        raise AssertionError(reference)

    def parts(self, type: str) -> list[TerraformResource]:
        return [one for one in self.resources if one.type == type]

    def api(self) -> str:
        return str(self.parts("aws_apigatewayv2_api")[0].values["name"])


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _one(value: JsonValue) -> dict[str, JsonValue]:
    """The settings of a block, by the names of CloudFormation."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {_pascal(name): inner for name, inner in value[0].items() if inner is not None}
    return {}


def _role(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    policies: list[JsonValue] = [
        {"PolicyName": part.values["name"], "PolicyDocument": part.values["policy"]}
        for part in module.parts("aws_iam_role_policy")
        if module.value(part, "role") == one.values["name"]
    ]
    properties: dict[str, JsonValue] = {
        "AssumeRolePolicyDocument": one.values["assume_role_policy"],
        "Description": one.values["description"],
        "MaxSessionDuration": one.values["max_session_duration"],
        "PermissionsBoundary": one.values.get("permissions_boundary"),
        "Policies": policies,
        "Tags": one.values["tags"],
    }
    yield canonical("AWS::IAM::Role", str(one.values["name"]), properties)


def _provider(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    properties: dict[str, JsonValue] = {
        "ClientIdList": one.values["client_id_list"],
        "Tags": one.values["tags"],
        CONDITIONAL: "count" in one.references or None,
    }
    yield canonical("AWS::IAM::OIDCProvider", str(one.values["url"]), properties)


def _log_group(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    kept = dict.fromkeys(KEPT, one.values["skip_destroy"] or None)
    properties = {"RetentionInDays": one.values["retention_in_days"], "Tags": one.values["tags"], **kept}
    yield canonical("AWS::Logs::LogGroup", str(one.values["name"]), properties)


def _repository(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    def text(type: str) -> JsonValue:
        return next(
            (p.values["policy"] for p in module.parts(type) if p.values["repository"] == one.values["name"]), None
        )

    encryption = one.values["encryption_configuration"]
    properties: dict[str, JsonValue] = {
        "ImageTagMutability": one.values["image_tag_mutability"],
        "ImageScanningConfiguration": _one(one.values["image_scanning_configuration"]),
        "EncryptionConfiguration": _one(encryption),
        "LifecyclePolicy": {"LifecyclePolicyText": text("aws_ecr_lifecycle_policy")},
        "RepositoryPolicyText": text("aws_ecr_repository_policy"),
        "Tags": one.values["tags"],
        **dict.fromkeys(KEPT, one.values["force_delete"] in (None, False) or None),  # AWS deletes no images with it
    }
    yield canonical("AWS::ECR::Repository", str(one.values["name"]), properties)


def _bucket(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    """A bucket and its policy; its other settings are resources of Terraform, and all of this bucket."""
    name = str(one.values["bucket"])

    def part(type: str) -> Values:
        [setting] = module.parts(f"aws_s3_bucket_{type}")
        assert module.value(setting, "bucket") == name
        return setting.values

    encrypted = _one(part("server_side_encryption_configuration")["rule"])
    default = _one(encrypted["ApplyServerSideEncryptionByDefault"])
    access = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    properties: dict[str, JsonValue] = {
        "OwnershipControls": {"Rules": [_one(part("ownership_controls")["rule"])]},
        "PublicAccessBlockConfiguration": {_pascal(key): part("public_access_block")[key] for key in access},
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {
                    "ServerSideEncryptionByDefault": {
                        "SSEAlgorithm": default["SseAlgorithm"],
                        "KMSMasterKeyID": default["KmsMasterKeyId"],
                    },
                    "BucketKeyEnabled": encrypted["BucketKeyEnabled"],
                }
            ]
        },
        "VersioningConfiguration": {"Status": _one(part("versioning")["versioning_configuration"])["Status"]},
        "LifecycleConfiguration": {"Rules": [_rule(rule) for rule in _list(part("lifecycle_configuration")["rule"])]},
        "Tags": one.values["tags"],
        **dict.fromkeys(KEPT, one.values["force_destroy"] in (None, False) or None),  # AWS deletes no objects with it
    }
    yield canonical("AWS::S3::Bucket", name, properties)
    kept = dict.fromkeys(KEPT, True)  # it is in the bucket, which stays
    yield canonical("AWS::S3::BucketPolicy", name, {"PolicyDocument": part("policy")["policy"], **kept})


def _rule(block: Values) -> JsonValue:
    """A rule of a lifecycle."""
    rule: dict[str, JsonValue] = {"Id": block["id"], "Status": block["status"]}
    for name in ("abort_incomplete_multipart_upload", "noncurrent_version_expiration"):
        if block.get(name):
            rule[_pascal(name)] = _one(block[name])
    if block.get("expiration"):
        rule["ExpiredObjectDeleteMarker"] = _one(block["expiration"])["ExpiredObjectDeleteMarker"]
    return rule


_OF_A_FUNCTION: Final = ("description", "package_type", "architectures", "memory_size", "timeout", "tags", "runtime",
                         "handler")  # fmt: skip


def _function(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    values, reserved = one.values, one.values["reserved_concurrent_executions"]
    properties: dict[str, JsonValue] = {
        "Code": _code(values),
        "Role": module.value(one, "role"),
        "ReservedConcurrentExecutions": None if reserved == -1 else reserved,
        **{_pascal(name): values[name] for name in _OF_A_FUNCTION},
        **{
            _pascal(n): _one(values[n])
            for n in ("image_config", "ephemeral_storage", "logging_config", "tracing_config")
        },
        **{_pascal(n): _one(values[n]) for n in ("vpc_config",)},
        "Environment": {"Variables": _one_raw(values["environment"])},
    }
    name = str(values["function_name"])
    yield canonical("AWS::Lambda::Function", name, properties)
    if values["publish"]:
        yield canonical("AWS::Lambda::Version", name, {})


def _code(values: Values) -> JsonValue:
    """The image, or the zip: its path is that from the folder of the module."""
    if values["filename"] is None:
        return {"ImageUri": values["image_uri"]}
    assert posixpath.normpath(f"terraform/service/{values['filename']}") == ARCHIVE_FILE
    return {**archived(ARCHIVE), "ImageUri": values["image_uri"]}


def _one_raw(environment: JsonValue) -> JsonValue:
    block = environment[0] if isinstance(environment, list) and environment else {}
    return block.get("variables") if isinstance(block, dict) else None


def _alias(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    parts = module.parts("aws_lambda_provisioned_concurrency_config")
    own = (one.values["function_name"], one.values["name"])
    assert all((part.values["function_name"], part.values["qualifier"]) == own for part in parts)
    provisioned = [part.values["provisioned_concurrent_executions"] for part in parts]
    concurrency: JsonValue = {"ProvisionedConcurrentExecutions": provisioned[0]} if provisioned else None
    properties: dict[str, JsonValue] = {
        "Name": one.values["name"],
        "FunctionVersion": module.value(one, "function_version"),
        "Description": one.values.get("description"),
        "ProvisionedConcurrencyConfig": concurrency,
    }
    yield canonical("AWS::Lambda::Alias", f"{one.values['function_name']}:{one.values['name']}", properties)


def _url(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    properties: dict[str, JsonValue] = {
        "AuthType": one.values["authorization_type"],
        "Cors": {
            n: sorted(v) if n.startswith("Allow") and isinstance(v, list) else v
            for n, v in _one(one.values["cors"]).items()
        },
    }
    yield canonical("AWS::Lambda::Url", f"{one.values['function_name']}:{one.values['qualifier']}", properties)


def _permission(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    values = one.values
    name = f"{values['function_name']}:{values['qualifier']} {values['action']} by {values['principal']}"
    source = module.value(one, "source_arn")
    properties = {"Action": values["action"], "Principal": values["principal"], "SourceArn": source}
    yield canonical("AWS::Lambda::Permission", name, {**properties, "StatementId": values["statement_id"]})


def _api(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    cors = _one(one.values["cors_configuration"])
    properties = {"ProtocolType": one.values["protocol_type"], "CorsConfiguration": cors, "Tags": one.values["tags"]}
    yield canonical("AWS::ApiGatewayV2::Api", str(one.values["name"]), properties)


def _integration(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    assert module.value(one, "api_id") == API
    properties = {
        "IntegrationType": one.values["integration_type"],
        "IntegrationUri": module.value(one, "integration_uri"),
        "PayloadFormatVersion": one.values["payload_format_version"],
    }
    yield canonical("AWS::ApiGatewayV2::Integration", module.api(), properties)


def _route(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    assert one.references["target"].startswith("aws_apigatewayv2_integration.this")
    name = f"{module.api()} {one.values['route_key']}"
    yield canonical("AWS::ApiGatewayV2::Route", name, {"AuthorizationType": one.values["authorization_type"]})


def _stage(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    yield canonical(
        "AWS::ApiGatewayV2::Stage", f"{module.api()} {one.values['name']}", {"AutoDeploy": one.values["auto_deploy"]}
    )


def _budget(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    values = one.values
    filters = {str(block["name"]): block["values"] for block in _list(values["cost_filter"])}
    limits: JsonValue = {
        "BudgetName": values["name"],
        "BudgetType": values["budget_type"],
        "TimeUnit": values["time_unit"],
        "BudgetLimit": {"Amount": values["limit_amount"], "Unit": values["limit_unit"]},
        "CostFilters": filters,
    }
    notifications: list[JsonValue] = [_notification(block) for block in _list(values["notification"])]
    properties = {"Budget": limits, "NotificationsWithSubscribers": notifications, "ResourceTags": values["tags"]}
    yield canonical("AWS::Budgets::Budget", str(values["name"]), properties)


def _notification(block: Values) -> JsonValue:
    names = ("notification_type", "comparison_operator", "threshold", "threshold_type")
    addresses = block["subscriber_email_addresses"]
    assert isinstance(addresses, list)
    subscribers: JsonValue = [
        {"SubscriptionType": "EMAIL", "Address": address} for address in sorted(addresses, key=str)
    ]
    return {"Notification": {_pascal(name): block[name] for name in names}, "Subscribers": subscribers}


def _alarm(module: _Module, one: TerraformResource) -> Iterator[CanonicalResource]:
    values = one.values
    names = ("alarm_description", "comparison_operator", "evaluation_periods", "threshold", "treat_missing_data",
             "alarm_actions", "namespace", "metric_name", "extended_statistic", "period", "tags")  # fmt: skip
    low = values.get("evaluate_low_sample_count_percentiles")  # not known of a rate
    properties = {_pascal(name): values[name] for name in names if values[name] is not None}
    properties |= {"OKActions": values["ok_actions"], "Dimensions": _dimensions(values["dimensions"])}
    properties |= {
        "EvaluateLowSampleCountPercentile": low,
        "Metrics": [_query(q) for q in _list(values["metric_query"])],
    }
    yield canonical("AWS::CloudWatch::Alarm", str(values["alarm_name"]), properties)


def _dimensions(value: JsonValue) -> JsonValue:
    return [{"Name": name, "Value": of} for name, of in value.items()] if isinstance(value, dict) else []


def _query(block: Values) -> JsonValue:
    """One of the metrics, or the expression over them."""
    query = {_pascal(name): block[name] for name in ("id", "label", "expression") if block[name]}
    for metric in _list(block["metric"]):
        counted = {"Namespace": metric["namespace"], "MetricName": metric["metric_name"]}
        of: JsonValue = {**counted, "Dimensions": _dimensions(metric["dimensions"])}
        query["MetricStat"] = {"Metric": of, "Period": metric["period"], "Stat": metric["stat"]}
    return {**query, "ReturnData": bool(block["return_data"])}


_TYPES: Final[Mapping[str, Callable[[_Module, TerraformResource], Iterator[CanonicalResource]]]] = {
    "aws_iam_role": _role,
    "aws_budgets_budget": _budget,
    "aws_iam_openid_connect_provider": _provider,
    "aws_cloudwatch_log_group": _log_group,
    "aws_ecr_repository": _repository,
    "aws_s3_bucket": _bucket,
    "aws_lambda_function": _function,
    "aws_lambda_alias": _alias,
    "aws_lambda_function_url": _url,
    "aws_lambda_permission": _permission,
    "aws_apigatewayv2_api": _api,
    "aws_apigatewayv2_integration": _integration,
    "aws_apigatewayv2_route": _route,
    "aws_apigatewayv2_stage": _stage,
    "aws_cloudwatch_metric_alarm": _alarm,
}
_PARTS: Final[Mapping[str, str]] = {
    "aws_iam_role_policy": "aws_iam_role",
    "aws_ecr_lifecycle_policy": "aws_ecr_repository",
    "aws_ecr_repository_policy": "aws_ecr_repository",
    "aws_lambda_provisioned_concurrency_config": "aws_lambda_alias",
    "aws_s3_bucket_ownership_controls": "aws_s3_bucket",
    "aws_s3_bucket_public_access_block": "aws_s3_bucket",
    "aws_s3_bucket_server_side_encryption_configuration": "aws_s3_bucket",
    "aws_s3_bucket_versioning": "aws_s3_bucket",
    "aws_s3_bucket_lifecycle_configuration": "aws_s3_bucket",
    "aws_s3_bucket_policy": "aws_s3_bucket",
}
"""What is a setting of another resource elsewhere, and the resource that it must be created after."""
