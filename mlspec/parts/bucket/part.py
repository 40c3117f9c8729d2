"""`bucket` to the settings of a bucket in Amazon S3, and the stage that creates it where no other tool does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mlspec.aws.bucket import admin_policy
from mlspec.aws.owned_bucket import BucketUse, bucket_location, bucket_uses, deployment_location, owned_bucket
from mlspec.aws.policies import destroy_data
from mlspec.diagnostics import Finding
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.bucket import RULE, BucketSpec, is_bucket_name
from mlspec.sections.delivery_tool import delivery_tool
from mlspec.sections.deploy import Deploy
from mlspec.spec.project import Project
from mlspec.spec.spec_model import dotted

NAME: Final = "bucket"
PROGRAMS: Final[dict[str, str]] = {"bucket": "mlspec.parts.bucket.work:main"}
OBSERVERS: Final[dict[str, str]] = {"bucket": "mlspec.shipping.bucket_changes:bucket"}
_AT: Final = ("bucket",)


def check(project: Project) -> Iterator[Finding]:
    """A bucket without a name or a region, one that nothing uses, and one in a region where it cannot be used."""
    options = project.get(BucketSpec)
    if options is None:
        return
    uses = bucket_uses(project)
    yield from _name(options, uses)
    yield from _region(project, options, uses)


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
