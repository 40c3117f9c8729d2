"""The bucket of a spec in its account: what it is to be, and what the stage `bucket` would change of it."""

from __future__ import annotations

from pathlib import Path

from mlspec.aws.account import located
from mlspec.aws.action import Action
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.bucket import Bucket
from mlspec.aws.bucket_provider import BucketProvider
from mlspec.aws.desired import Spec
from mlspec.aws.error_messages import BUCKET, aws_errors
from mlspec.aws.owned_bucket import bucket_key, bucket_location, owned_bucket
from mlspec.shipping.target_choice import observed
from mlspec.stage_context import StageContext


def bucket(spec: Spec, _artifacts: Path, context: StageContext, target: AwsTarget | None = None) -> list[Action]:
    """What the stage `bucket` would change. Raises StageError where the account cannot be read."""
    with aws_errors(BUCKET):
        provider, bucket = desired(spec, target or observed(context, region(spec)))
        return provider.diff(bucket, provider.read(bucket.name))


def desired(spec: Spec, target: AwsTarget) -> tuple[BucketProvider, Bucket]:
    """The bucket in the account of the target, and its provider. Only for a spec that has one."""
    bucket, location = owned_bucket(spec, target.owner.source), bucket_location(spec)
    assert bucket, "a spec without a bucket has no stage that creates it"
    assert location, "a bucket has a region"
    return BucketProvider(target, located(target, location), bucket_key(spec)), bucket


def region(spec: Spec) -> str:
    """The region of the bucket."""
    location = bucket_location(spec)
    assert location, "a bucket has a region"
    return location.region
