"""`bucket` to the settings of a bucket in Amazon S3, and the stage that creates it where no other tool does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from pydantic import ValidationError

from mlspec.aws.bucket import admin_policy
from mlspec.aws.kms_key import key_region
from mlspec.aws.owned_bucket import (
    BucketUse,
    bucket_key,
    bucket_location,
    bucket_uses,
    deployment_location,
    owned_bucket,
)
from mlspec.aws.policies import destroy_data
from mlspec.diagnostics import Finding
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.bucket import RULE, BucketSpec, is_bucket_name
from mlspec.sections.delivery_tool import delivery_tool
from mlspec.sections.deploy import Deploy
from mlspec.spec.project import Project
from mlspec.spec.shared_values import SharedResource, Values, at, differing, shared_names
from mlspec.spec.spec_model import dotted

NAME: Final = "bucket"
PROGRAMS: Final[dict[str, str]] = {"bucket": "mlspec.parts.bucket.work:main"}
OBSERVERS: Final[dict[str, str]] = {"bucket": "mlspec.shipping.bucket_changes:bucket"}
_AT: Final = ("bucket",)
_BUCKET: Final = SharedResource("shared-bucket", "bucket", _AT, "bucket.name")


def check(project: Project) -> Iterator[Finding]:
    """A bucket without a name or a region, one that nothing uses, and one in a region where it cannot be used."""
    options = project.get(BucketSpec)
    if options is None:
        return
    uses = bucket_uses(project)
    yield from _name(options, uses)
    yield from _region(project, options, uses)
    yield from _key(project, options)
    yield from _shared(project)


def _name(options: BucketSpec, uses: Sequence[BucketUse]) -> Iterator[Finding]:
    named = " and ".join(f"`{dotted(use.key)}` {use.name}" for use in uses)
    if options.name is None and not uses:
        message = "`bucket` has no name: neither `data.remote` nor `package.zip.bucket` names a bucket"
        yield Finding("section-needed", _AT, message, "set `data.remote: s3://NAME/dvc`, or `name` here", on="key")
    elif options.name is None and len({use.name for use in uses}) > 1:
        message = f"the spec names two buckets, {named}, and `bucket` creates one"
        help = "set bucket.name to the one that mlspec is to create; or use the same for both"
        yield Finding("conflicting-options", _AT, message, help, on="key")
    elif options.name is not None and uses and options.name not in {use.name for use in uses}:
        message = f"nothing in this spec uses the bucket {options.name}: {named}"
        yield Finding("conflicting-options", (*_AT, "name"), message, "correct one of the names, or leave `name` out")
    for use in uses if options.name is None else ():
        if not is_bucket_name(use.name):
            message = f"Amazon S3 creates no bucket called `{use.name}`: {RULE}"
            yield Finding("bad-format", use.key, message, "for example `my-team-models`")


def _region(project: Project, options: BucketSpec, uses: Sequence[BucketUse]) -> Iterator[Finding]:
    place, tool = deployment_location(project), delivery_tool(project)
    if place is None and options.region is None:
        message = "`bucket` needs `region`: neither a registry nor a function of this spec has one"
        yield Finding("section-needed", _AT, message, "add `region: eu-west-1`", on="key")
    if place is None or options.region in (None, place.region):
        return
    at, help = (*_AT, "region"), "leave it out, or use that of the function"
    deploy = project.get(Deploy)
    if tool.creates and deploy is not None and deploy.lambda_ is not None:
        message = f"bucket.region is {options.region}, and `iac: {tool.name}` creates everything in {place.region}"
        yield Finding("conflicting-options", at, message, help)
    elif any(use.key[0] == "package" and options.name in (None, use.name) for use in uses):
        message = f"bucket.region is {options.region}, and Lambda reads a zip only from its own region {place.region}"
        yield Finding("conflicting-options", at, message, help)


def _key(project: Project, options: BucketSpec) -> Iterator[Finding]:
    place = bucket_location(project)
    if options.kms_key is None or place is None or (region := key_region(options.kms_key)) == place.region:
        return
    message = f"the KMS key is in {region}, and the bucket in {place.region} needs one of its own region"
    yield Finding("key-elsewhere", (*_AT, "kms_key"), message, "name a key of that region, or leave `kms_key` out")


def _shared(project: Project) -> Iterator[Finding]:
    """Settings that two environments give one bucket. Sharing it is supported. The names of buckets are those of all
    accounts and regions."""
    for same in shared_names(project, _name_in, lambda _: None):
        one, other = (_settings(values) for values in same.theirs)
        yield from differing(project, same, _BUCKET._replace(rename=bucket_key(project)), one, other)


def _name_in(values: Values) -> object:
    """The name of the bucket that an environment creates; None for none."""
    if not isinstance(at(values, _AT), Mapping):
        return None
    remote, zipped = at(values, ("data", "remote")), at(values, ("package", "zip", "bucket"))
    own = isinstance(remote, str) and remote.startswith("s3://")
    named = str(remote).removeprefix("s3://").partition("/")[0] if own else zipped
    return at(values, (*_AT, "name")) or named


def _settings(values: Values) -> dict[str, object]:
    """Settings of a bucket with their defaults; none where they are not valid."""
    try:
        options = BucketSpec.model_validate(at(values, _AT))
    except ValidationError:
        return {}
    places = (("registry", "ecr", "region"), ("deploy", "lambda", "region"))
    region = options.region or next(filter(None, (at(values, path) for path in places)), None)
    return options.model_dump(mode="json", exclude={"name"}) | {"region": region}


def stages(project: Project) -> Iterator[Stage]:
    """The stage `bucket`, where no other tool creates it. It changes nothing in the project."""
    deploy = project.get(Deploy)
    by_tool = delivery_tool(project).creates and deploy is not None and deploy.lambda_ is not None
    if owned_bucket(project) is None or by_tool:
        return
    yield Stage(
        name="bucket",
        description="Create the S3 bucket, or bring it to its settings",
        part=NAME,
        params=("bucket",),
        needs=("extra:aws",),
        effects=True,
    )


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """One JSON file for each AWS command, and the rights for them."""
    bucket, location = owned_bucket(project), bucket_location(project)
    if bucket is None or location is None:
        return
    files = {
        "bucket": bucket.to_request(),
        "bucket-admin-policy": admin_policy(location.partition, bucket.name).to_json(),
    }
    if deployment_location(project) is None:  # else that of the function or the registry has the same rights
        files["destroy-policy"] = destroy_data(location, "", bucket.name).to_json()
    for operation, request in bucket.to_requests().items():
        files[operation.removeprefix("put-")] = request
    for name, value in files.items():
        yield Artifact(f"s3/{name}.json", "s3/settings.json.j2", {"value": value})
