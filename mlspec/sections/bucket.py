"""Options of `bucket`: the S3 bucket that mlspec creates for what `data.remote` and `package.zip.bucket` keep in it."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from mlspec.sections.registry import KEY, REGION
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import schema_pattern

NAME = r"[a-z0-9](?:[a-z0-9]|[.-](?=[a-z0-9])|-(?=-)){1,61}[a-z0-9]"
"""A name of a bucket (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html)."""
_ADDRESS = r"[0-9]+(?:\.[0-9]+){3}"
RULE = "a bucket name has 3 to 63 lowercase letters, digits and `-`, with a letter or digit at both ends"


def is_bucket_name(name: str) -> bool:
    """Whether S3 accepts a new bucket of that name."""
    return bool(re.fullmatch(NAME, name)) and not re.fullmatch(_ADDRESS, name)


def _name(name: str) -> str:
    if is_bucket_name(name):
        return name
    raise PydanticCustomError("bad-format", "{rule}", {"rule": RULE, "help": "for example `my-team-models`"})


class BucketSpec(SpecModel):
    """The S3 bucket of `data.remote` or `package.zip.bucket`, created by mlspec: private, encrypted, with versions.

    Without this section an existing bucket is used as it is.
    """

    name: Annotated[str, AfterValidator(_name), schema_pattern(NAME)] | None = Field(
        None,
        description="Name of the bucket; default: the one that `data.remote` or `package.zip.bucket` names",
        examples=["my-team-models"],
    )
    region: str | None = Field(
        None,
        pattern=REGION,
        description="AWS region of the bucket; default: that of the registry or the function",
        examples=["eu-west-1"],
    )
    kms_key: str | None = Field(
        None,
        pattern=KEY,
        max_length=2048,
        description="ARN of the KMS key, or of an alias of it, that encrypts new objects; default: a key of Amazon S3",
        examples=["arn:aws:kms:eu-west-1:123456789012:alias/ml-data"],
    )
    keep_replaced: int = Field(
        30, ge=1, le=3650, description="Days in which a deleted or replaced object can be restored"
    )
