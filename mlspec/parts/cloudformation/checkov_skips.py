"""Checks of checkov that do not apply to a generated resource, each with its reason. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from mlspec.aws.function_spec import FunctionSpec
from mlspec.parts.cloudformation.cloudformation_resource import CloudFormationResource

_OWN_KEY = "CloudWatch encrypts logs with a key of its own."


def skipped_checks(resource: CloudFormationResource, spec: FunctionSpec) -> Iterator[tuple[str, str]]:
    """The checks that do not apply to a resource of the stack of this function."""
    match resource.id:
        case "Repository" if "KmsKey" not in str(resource.properties["EncryptionConfiguration"]):
            reason = "Amazon ECR encrypts images with a key of its own; `registry.ecr.kms_key` names another."
            yield "CKV_AWS_136", reason
        case "Bucket":
            yield from bucket_skips(own_key="KMSMasterKeyID" in str(resource.properties["BucketEncryption"]))
        case "LogGroup":
            yield from log_group_skips()
        case "ReleaseLogGroup":
            yield from log_group_skips()
            yield "CKV_AWS_66", "The history of releases is kept for ever."
        case "Role":
            yield from role_skips(spec, "CKV_AWS_111")
        case "ApiStage":
            yield from stage_skips("CKV_AWS_95")
        case "Url":
            yield from url_skips(auth=str(resource.properties["AuthType"]))
        case "Function":
            yield from function_skips(spec)
        case _:
            pass


def log_group_skips() -> Iterator[tuple[str, str]]:
    """Those of a log group."""
    yield "CKV_AWS_158", _OWN_KEY


def bucket_skips(*, own_key: bool) -> Iterator[tuple[str, str]]:
    """Those of the bucket of a project. `own_key` is whether the spec names the key that encrypts it."""
    yield "CKV_AWS_18", "An access log needs a second bucket; AWS CloudTrail records access where an account needs it."
    yield "CKV_AWS_144", "Versions protect from deletion; a copy in another region is a decision of who owns the data."
    if not own_key:
        yield "CKV_AWS_145", "Amazon S3 encrypts objects with a key of its own; `bucket.kms_key` names another."
    yield "CKV2_AWS_62", "Nothing acts on an event of the bucket."


def role_skips(spec: FunctionSpec, *checks: str) -> Iterator[tuple[str, str]]:
    """Those of the function's role; checkov has other checks for Terraform than for CloudFormation."""
    if spec.options.vpc or spec.options.tracing:
        yield from ((check, "The actions for the network and for traces know no resource.") for check in checks)


def stage_skips(check: str) -> Iterator[tuple[str, str]]:
    """Those of the stage of the HTTP API."""
    yield check, "The function logs each request itself."


def url_skips(auth: str) -> Iterator[tuple[str, str]]:
    """Those of the function's URL."""
    if auth == "NONE":
        yield "CKV_AWS_258", "`deploy.lambda.url.auth: none` makes the endpoint public."


def package_bucket_skips() -> Iterator[tuple[str, str]]:
    """Those of a bucket to which a tool uploads its packages."""
    yield "CKV_AWS_18", "Only releases of this stack use the bucket, and CloudFormation records each of them."


def function_skips(spec: FunctionSpec) -> Iterator[tuple[str, str]]:
    """Those of the function."""
    options, reserved = spec.options, spec.reserved()
    yield "CKV_AWS_116", "A dead-letter queue is for asynchronous calls; clients of a model wait for the answer."
    if options.vpc is None:
        yield "CKV_AWS_117", "The function calls nothing in a private network; `deploy.lambda.vpc` attaches it to one."
    if reserved is None:
        yield "CKV_AWS_115", "The account's limit applies; `deploy.lambda.concurrency.reserved` sets one of its own."
    if options.environment:
        yield "CKV_AWS_173", "Lambda encrypts variables with a key of its own; a secret belongs in AWS Secrets Manager."


def skip_metadata(skips: Iterator[tuple[str, str]]) -> dict[str, JsonValue]:
    """The skips in the form that a packaged template keeps: an attribute of the resource; empty without any."""
    listed: list[JsonValue] = [{"id": check, "comment": reason} for check, reason in skips]
    return {"Metadata": {"checkov": {"skip": listed}}} if listed else {}
