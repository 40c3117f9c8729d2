"""A function's code in the form that Lambda takes: the address of an image, a zip in the call itself, or, where that is
too large, by way of a bucket (https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCode.html)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlspec.aws.desired import DesiredFunction, ZipArchive


@contextmanager
def code(wanted: DesiredFunction) -> Iterator[dict[str, Any]]:
    """What CreateFunction and UpdateFunctionCode take. Lambda copies it: afterwards the bucket is as it was."""
    archive, zipped = wanted.archive, wanted.function.package.zip
    if archive is None:
        yield {"ImageUri": wanted.image}
    elif archive.direct or zipped is None or zipped.bucket is None:
        yield {"ZipFile": archive.path.read_bytes()}
    else:
        with _laid_down(wanted, archive, zipped.bucket) as place:
            yield place


@contextmanager
def _laid_down(wanted: DesiredFunction, archive: ZipArchive, bucket: str) -> Iterator[dict[str, str]]:
    from boto3.exceptions import S3UploadFailedError

    client, key = wanted.target.client("s3"), f"{folder(wanted.function.name)}{archive.path.name}"
    owner = {"ExpectedBucketOwner": wanted.function.ecr.account or ""}
    try:
        client.upload_file(str(archive.path), bucket, key, ExtraArgs=owner)
    except S3UploadFailedError as error:
        raise error.__context__ or error  # noqa: B904 - what S3 itself said, without the wrapping
    try:
        yield {"S3Bucket": bucket, "S3Key": key}
    finally:
        client.delete_object(Bucket=bucket, Key=key, **owner)


def folder(function: str) -> str:
    """Where in a bucket a function's zips lie while Lambda takes them."""
    return f"mlspec/{function}/"
