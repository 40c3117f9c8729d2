"""Which bucket mlspec creates for a spec: its name, its region, and the keys that they follow from. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.bucket import Bucket, bucket
from mlspec.aws.function_spec import function_location
from mlspec.aws.kms_key import WRITE, key_rights
from mlspec.aws.policy_document import Statement
from mlspec.sections.bucket import BucketSpec
from mlspec.sections.data import DataSpec
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.spec.project import ProjectInfo, SectionLookup


class BucketUse(NamedTuple):
    """The key of the spec that names a bucket, and its name."""

    key: tuple[str, ...]
    name: str


def bucket_uses(spec: SectionLookup) -> tuple[BucketUse, ...]:
    """The buckets that a spec writes to, in the order of the pipeline."""
    data, package = spec.get(DataSpec), spec.get(Package)
    remote = (data.remote if data else None) or ""
    zipped = package.zip if package is not None else None
    uses = []
    if remote.startswith("s3://"):
        uses.append(BucketUse(("data", "remote"), remote.removeprefix("s3://").partition("/")[0]))
    if zipped is not None and zipped.bucket is not None:
        uses.append(BucketUse(("package", "zip", "bucket"), zipped.bucket))
    return tuple(uses)


def bucket_name(spec: SectionLookup) -> str:
    """The name of the bucket that mlspec creates; "" for none, or where the spec names several."""
    options = spec.get(BucketSpec)
    if options is None:
        return ""
    names = {use.name for use in bucket_uses(spec)}
    return options.name or (names.pop() if len(names) == 1 else "")


def bucket_key(spec: SectionLookup) -> str:
    """The key of the spec that names the bucket."""
    name = bucket_name(spec)
    return next((".".join(use.key) for use in bucket_uses(spec) if use.name == name), "bucket.name")


def deployment_location(spec: SectionLookup) -> AwsLocation | None:
    """Where the registry or the function of a spec is; None where it has neither."""
    deploy, registry = spec.get(Deploy), spec.get(Registry)
    if deploy is not None and deploy.lambda_ is not None:
        return function_location(deploy.lambda_, registry)
    return AwsLocation(registry.ecr.region, registry.ecr.account or AwsLocation("").account) if registry else None


def bucket_location(spec: SectionLookup) -> AwsLocation | None:
    """Where the bucket is; None where the spec names no region."""
    options, place = spec.get(BucketSpec), deployment_location(spec)
    region = options.region if options else None
    if place is None:
        return AwsLocation(region) if region else None
    return AwsLocation(region, place.account) if region else place


def bucket_rights(spec: SectionLookup, name: str, actions: Sequence[str]) -> list[Statement]:
    """Rights on the key that encrypts a bucket of that name; none where mlspec sets no key."""
    options = spec.get(BucketSpec)
    key = options.kms_key if options is not None and bucket_name(spec) == name else None
    return [key_rights(key, actions, "s3")] if key else []


def upload_rights(spec: SectionLookup) -> tuple[Statement, ...]:
    """Rights on the key of the bucket that a zip is uploaded through."""
    package = spec.get(Package)
    name = (package.zip.bucket if package is not None and package.zip is not None else None) or ""
    return tuple(bucket_rights(spec, name, WRITE)) if name else ()


def owned_bucket(spec: SectionLookup, source: str = "") -> Bucket | None:
    """The bucket that mlspec creates; None for none."""
    options, name, location = spec.get(BucketSpec), bucket_name(spec), bucket_location(spec)
    if options is None or not name or location is None:
        return None
    return bucket(name, options, location, spec.need(ProjectInfo).name, source)
