"""The projects whose deployment is compared, as each tool describes it; and faults to plant in the templates."""

from __future__ import annotations

import hashlib
import posixpath
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from pydantic import JsonValue

from mlspec.aws import policies
from mlspec.aws.aws_target import AwsTarget
from mlspec.cloudformation.stack_template import long_form
from mlspec.parts.cloudformation import service_resources, stacks
from mlspec.parts.cloudformation.cloudformation_resource import CloudFormationResource
from mlspec.parts.sam.sam_templates import UNKNOWN_DIGEST
from mlspec.parts.serverless.services import package_policies
from mlspec.sections.deploy import Deploy
from mlspec.spec.project import Project
from mlspec.spec.types import SecretRef
from tests.parts.cloudformation import stack_specs
from tests.parts.sam.sam_environment import Translator
from tests.parts.targets import BASE, build, files
from tests.scenarios.equivalence.canonical import ARCHIVE, ARCHIVE_FILE, DIGEST, SECRETS, CanonicalResource
from tests.scenarios.equivalence.from_cloudformation import from_template
from tests.scenarios.equivalence.from_direct import direct

Files = Mapping[str, str]
_CONCURRENCY: Final = "concurrency: {reserved: 5, provisioned: 2}"
SPECS: Final = {
    "everything": stack_specs.SPECS["everything"],
    "http-api": stack_specs.SPECS["http-api"],
    "image": stack_specs.SPECS["image"].replace("url: true", "url: true, " + _CONCURRENCY),
    "zip": """\
train: {}
export: {onnx: {}}
package: {zip: {bucket: team-data}}
ci: {github: {repository: octo-org/cola}}
bucket: {name: team-data, kms_key: "arn:aws:kms:eu-west-1:123456789012:alias/data"}
deploy:
  iac: IAC
  lambda:
    region: eu-west-1
    role: arn:aws:iam::123456789012:role/team/serving
    concurrency: {provisioned: 2}
    environment: {LEVEL: debug, TOKEN: {env: SERVICE_TOKEN}}
""",
}
_BASE: Final = BASE.replace("data:\n", "data:\n  remote: s3://team-data/cola\n")
PARAMETERS: Final = {
    "GithubRepository": "octo-org/cola",
    "CreateOidcProvider": "true",
    "SecretToken": SECRETS["SERVICE_TOKEN"],
}
_KEY: Final = f"mlspec/cola/{hashlib.md5(ARCHIVE).hexdigest()}"
UPLOADED: Final = {_KEY: ARCHIVE}
"""What lies in the bucket of the zip, by the key that the SAM command line gives it."""
_MODULES: Final = ("foundation", "service")


def project(folder: Path, name: str, iac: str) -> Project:
    """A project that is deployed by that tool."""
    return build(_new_folder(folder), SPECS[name].replace("IAC", iac), _BASE).project


def generated(folder: Path, name: str, iac: str) -> dict[str, str]:
    """The files that are generated for that tool, by their paths in its folder."""
    rendered = files(_new_folder(folder), SPECS[name].replace("IAC", iac), _BASE)
    return {path.removeprefix(f"{iac}/"): text for path, text in rendered.items() if path.startswith(f"{iac}/")}


def _new_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def from_direct(folder: Path, name: str, target: AwsTarget) -> list[CanonicalResource]:
    """The resources that `mlspec apply` creates without a tool."""
    with pytest.MonkeyPatch.context() as patch:
        for secret, value in SECRETS.items():
            patch.setenv(secret, value)
        return direct(project(folder, name, "none"), target, folder)


def from_sam(generated: Files, translator: Translator) -> list[CanonicalResource]:
    """The resources of both SAM templates, as SAM's translator makes them, with the image that a release delivers."""
    return [one for name in _MODULES for one in _template(translated(generated, name, translator))]


def _template(document: JsonValue) -> list[CanonicalResource]:
    return from_template(document, PARAMETERS, UPLOADED)


def translated(generated: Files, name: str, translator: Translator) -> dict[str, JsonValue]:
    """A template as CloudFormation gets it: with the image of a release, or where the command line uploads a zip to."""
    document = long_form(generated[f"{name}.yaml"].replace(UNKNOWN_DIGEST, DIGEST))
    for body in document["Resources"].values():
        if "CodeUri" in body["Properties"]:
            assert posixpath.normpath(f"sam/{body['Properties']['CodeUri']}") == ARCHIVE_FILE
            settings = tomllib.loads(generated["samconfig.toml"])[name]["deploy"]["parameters"]
            place = f"s3://{settings['s3_bucket']}/{settings['s3_prefix']}/{hashlib.md5(ARCHIVE).hexdigest()}"
            body["Properties"]["CodeUri"] = place
    return translator.translate(document, PARAMETERS) if "Transform" in document else document


def from_resources(folder: Path, name: str) -> list[CanonicalResource]:
    """The resources without a tool that creates some of them itself, which the templates of other tools contain."""
    toy_project = project(folder, name, "sam")
    spec = stacks.stack_function(toy_project)
    assert spec is not None
    zipped = spec.package.zip
    uploaded: JsonValue = {"S3Bucket": zipped.bucket if zipped else None, "S3Key": _KEY}
    code: JsonValue = uploaded if zipped else {"ImageUri": service_resources.image_uri(spec, DIGEST)}
    named = spec.options.environment.items()
    variables: dict[str, JsonValue] = {
        key: SECRETS[value.env] if isinstance(value, SecretRef) else value for key, value in named
    }
    service = stacks.service(spec, toy_project.need(Deploy).rollout, code, variables)
    more = {"deliver": policies.deliver(spec), **package_policies(spec)}
    both = [*_bodies(stacks.foundation(toy_project, spec, "cola", more)), *_bodies(service)]
    return _template({"Resources": dict(both)})


def _bodies(resources: tuple[CloudFormationResource, ...]) -> list[tuple[str, JsonValue]]:
    return [(resource.id, resource.to_json()) for resource in resources]


def terraform_modules(folder: Path) -> dict[str, dict[str, str]]:
    """The files of both modules of each project, by the name of the module."""
    modules: dict[str, dict[str, str]] = {}
    for name in SPECS:
        created = generated(folder / name, name, "terraform")
        for module in _MODULES:
            start = f"{module}/"
            own = {path.removeprefix(start): text for path, text in created.items() if path.startswith(start)}
            modules[f"{name}-{module}"] = {path: text for path, text in own.items() if _is_module_file(path)}
    return modules


def _is_module_file(path: str) -> bool:
    """`imports.tf` takes over what exists, and Terraform accepts it in the root of a configuration only."""
    return path.endswith(".tf") and path != "imports.tf"


Mutation = tuple[str, str, str, str]
"""A project, a file of its tool, a text in it, and what to write in its place."""
SAM_MUTATIONS: Final[tuple[Mutation, ...]] = (
    ("everything", "foundation.yaml", "ImageTagMutability: IMMUTABLE", "ImageTagMutability: MUTABLE"),
    ("everything", "foundation.yaml", '"countNumber": 20', '"countNumber": 2'),
    ("everything", "foundation.yaml", "environment:production", "environment:*"),
    ("everything", "foundation.yaml", "- ecr:PutImage\n                  - ecr:UploadLayerPart", "- ecr:*"),
    ("everything", "foundation.yaml", "AWS: [arn:aws:iam::210987654321:root]", "AWS: ['*']"),
    ("everything", "foundation.yaml", "environment:training", "environment:*"),
    ("everything", "foundation.yaml", "[s3:AbortMultipartUpload, s3:GetObject, s3:PutObject]", "['s3:*']"),
    ("everything", "foundation.yaml", "Amount: '20.5'", "Amount: '2000'"),
    ("everything", "foundation.yaml", "RestrictPublicBuckets: true", "RestrictPublicBuckets: false"),
    ("everything", "foundation.yaml", "BucketKeyEnabled: true", "BucketKeyEnabled: false"),
    ("everything", "foundation.yaml", "kms:ResourceAliases: alias/data", "kms:ResourceAliases: alias/other"),
    ("everything", "foundation.yaml", "NoncurrentDays: 90", "NoncurrentDays: 9"),
    ("everything", "foundation.yaml", "aws:SecureTransport: 'false'", "aws:SecureTransport: 'true'"),
    ("everything", "foundation.yaml", "Bucket: !Ref Bucket", "Bucket: team-data"),
    ("everything", "foundation.yaml", "!Ref GithubOidcProvider", "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"),
    ("everything", "service.yaml", "    DeletionPolicy: RetainExceptOnCreate\n", "    DependsOn: [Role]\n    DeletionPolicy: RetainExceptOnCreate\n"),
    ("everything", "service.yaml", "Sid: Log\n", "Sid: Logs\n"),
    ("everything", "service.yaml", "MemorySize: 1024", "MemorySize: 2048"),
    ("everything", "service.yaml", "[logs:CreateLogStream, logs:PutLogEvents]", "['logs:*']"),
    ("everything", "service.yaml", "RetentionInDays: 30", "RetentionInDays: 7"),
    ("everything", "service.yaml", "DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Delete"),
    ("everything", "foundation.yaml", "UpdateReplacePolicy: Retain", "UpdateReplacePolicy: Delete"),
    ("everything", "service.yaml", "      PermissionsBoundary: arn:aws:iam::123456789012:policy/limits\n", ""),
    ("everything", "service.yaml", "AuthType: NONE", "AuthType: AWS_IAM"),
    ("everything", "service.yaml", "AllowOrigins: [https://example.org]", "AllowOrigins: ['*']"),
    ("everything", "service.yaml", "Command: [handler.handle]", "Command: [other.handle]"),
    ("everything", "service.yaml", "AutoPublishAlias: live", "AutoPublishAlias: prod"),
    ("everything", "service.yaml", "SecurityGroupIds: [sg-1a2b3c4d, sg-3c4d5e6f]", "SecurityGroupIds: [sg-1a2b3c4d]"),
    ("everything", "service.yaml", "Threshold: 0.01", "Threshold: 0.1"),
    ("everything", "service.yaml", "          - !Ref ErrorRateAlarm\n", ""),
    ("everything", "service.yaml", "CanaryPercentage: 20", "CanaryPercentage: 90"),
    ("everything", "service.yaml", '        mlspec:project: cola\n        mlspec:managed-by: mlspec\n      PropagateTags', "        mlspec:project: dola\n        mlspec:managed-by: mlspec\n      PropagateTags"),
    ("everything", "service.yaml", "Threshold: 400", "Threshold: 4000"),
    ("everything", "service.yaml", "Period: 600", "Period: 60"),
    ("http-api", "service.yaml", "AuthorizationType: AWS_IAM", "AuthorizationType: NONE"),
    ("http-api", "service.yaml", "${Api}/*/*", "${Api}/*"),
    ("http-api", "service.yaml", "IntegrationUri: !Ref Function.Alias", "IntegrationUri: !Ref Function"),
    ("http-api", "service.yaml", "Type: Linear10PercentEvery10Minutes", "Type: AllAtOnce"),
    ("image", "service.yaml", "ProvisionedConcurrentExecutions: 2", "ProvisionedConcurrentExecutions: 1"),
    ("image", "service.yaml", "ReservedConcurrentExecutions: 5", "ReservedConcurrentExecutions: 6"),
)  # fmt: skip
TERRAFORM_MUTATIONS: Final[tuple[Mutation, ...]] = (
    ("everything", "foundation/registry.tf", '"IMMUTABLE"', '"MUTABLE"'),
    ("everything", "foundation/registry.tf", "countNumber    = 20", "countNumber    = 2"),
    ("everything", "foundation/github.tf", "environment:production", "environment:*"),
    ("everything", "foundation/github.tf", '"ecr:PutImage"', '"ecr:*"'),
    ("everything", "foundation/github.tf", "environment:training", "environment:*"),
    ("everything", "foundation/github.tf", "count = var.create_oidc_provider ? 1 : 0", "count = 1"),
    ("everything", "foundation/github.tf", '"s3:PutObject"', '"s3:*"'),
    ("everything", "foundation/budget.tf", "threshold                  = 80", "threshold                  = 800"),
    ("everything", "foundation/bucket.tf", "restrict_public_buckets = true", "restrict_public_buckets = false"),
    ("everything", "foundation/bucket.tf", "alias/data", "alias/other"),
    ("everything", "foundation/bucket.tf", "bucket_key_enabled = true", "bucket_key_enabled = false"),
    ("everything", "foundation/bucket.tf", "noncurrent_days = 90", "noncurrent_days = 9"),
    ("everything", "foundation/bucket.tf", '"aws:SecureTransport" = "false"', '"aws:SecureTransport" = "true"'),
    ("everything", "foundation/bucket.tf", 'status = "Enabled"\n  }\n}', 'status = "Suspended"\n  }\n}'),
    ("everything", "service/role.tf", '"logs:PutLogEvents"', '"logs:*"'),
    ("everything", "service/role.tf", '  permissions_boundary = "arn:aws:iam::123456789012:policy/limits"\n', ""),
    ("everything", "service/logs.tf", "retention_in_days = 30", "retention_in_days = 7"),
    ("everything", "service/logs.tf", "skip_destroy      = true", "skip_destroy      = false"),
    ("everything", "service/function.tf", "memory_size   = 1024", "memory_size   = 2048"),
    ("everything", "service/function.tf", "publish       = true", "publish       = false"),
    ("everything", "service/function.tf", '"sg-3c4d5e6f"', '"sg-00000000"'),
    ("everything", "service/function.tf", "say ", "tell "),
    ("everything", "service/endpoint.tf", '"NONE"', '"AWS_IAM"'),
    ("everything", "service/endpoint.tf", '"https://example.org"', '"*"'),
    ("everything", "service/versions.tf", '"mlspec:project"    = "cola"', '"mlspec:project"    = "dola"'),
    ("everything", "service/alarms.tf", "threshold           = 0.05", "threshold           = 0.5"),
    ("everything", "service/alarms.tf", "period      = 600", "period      = 60"),
    ("everything", "service/alarms.tf", "throttles / (calls + throttles), 0)", "throttles, 0)"),
    ("everything", "service/alarms.tf", "IF(calls >= ", "IF(calls >= 1"),
    ("everything", "service/alarms.tf", '  ok_actions          = ["arn:aws:sns:eu-west-1:123456789012:on-call"]\n', ""),
    ("http-api", "service/endpoint.tf", 'authorization_type = "AWS_IAM"', 'authorization_type = "NONE"'),
    ("http-api", "service/endpoint.tf", "auto_deploy = true", "auto_deploy = false"),
    ("image", "service/function.tf", "provisioned_concurrent_executions = 2", "provisioned_concurrent_executions = 1"),
    ("everything", "service/role.tf", 'Sid      = "Log"', 'Sid      = "Logs"'),
    ("everything", "service/function.tf", "  depends_on = [aws_iam_role_policy.this]\n", ""),
    ("everything", "service/function.tf", "[aws_iam_role_policy.this]", "[aws_iam_role_policy.this, aws_cloudwatch_log_group.releases]"),
    ("everything", "foundation/github.tf", "\n  depends_on = [aws_iam_openid_connect_provider.github]\n", ""),
)  # fmt: skip


def mutation_id(mutation: Mutation) -> str:
    """A readable name, and a valid one of a module."""
    name, file, text, _ = mutation
    return "-".join((name, *("".join(c if c.isalnum() else "_" for c in part) for part in (file, text)))).strip("_")


def mutated(generated: Files, file: str, text: str, other: str) -> dict[str, str]:
    """The files with a fault in one of them."""
    assert text in generated[file], f"{text!r} is not in {file}"
    return {**generated, file: generated[file].replace(text, other)}


def _mutated_module(mutation: Mutation, modules: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    name, file, text, other = mutation
    module, _, path = file.partition("/")
    return mutated(modules[f"{name}-{module}"], path, text, other)


MUTATED_MODULES: Final[Mapping[str, Callable[[Mapping[str, Mapping[str, str]]], dict[str, str]]]] = {
    mutation_id(mutation): partial(_mutated_module, mutation) for mutation in TERRAFORM_MUTATIONS
}
"""Each mutated module by its name in the plan."""
