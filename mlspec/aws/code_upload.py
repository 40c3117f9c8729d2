"""A function's code in the form that Lambda takes: the address of an image, a zip within the request, or, where that is
too large, a zip in a bucket (https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCode.html)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlspec.aws.desired import DesiredFunction, ZipArchive


@contextmanager
def code(desired: DesiredFunction) -> Iterator[dict[str, str | bytes]]:
    """What CreateFunction and UpdateFunctionCode take. Lambda copies it: afterwards the bucket is as it was."""
    archive, zipped = desired.archive, desired.spec.package.zip
    if archive is None:
        yield {"ImageUri": desired.image}
    elif archive.direct or zipped is None or zipped.bucket is None:
        yield {"ZipFile": archive.path.read_bytes()}
    else:
        with _uploaded(desired, archive, zipped.bucket) as key:
            yield {"S3Bucket": zipped.bucket, "S3Key": key}


@contextmanager
def _uploaded(desired: DesiredFunction, archive: ZipArchive, bucket: str) -> Iterator[str]:
    """The key of the archive in the bucket, from where it is deleted in the end."""
    from boto3.exceptions import S3UploadFailedError

    client, key = desired.target.client("s3"), f"mlspec/{desired.name}/{archive.path.name}"
    owner = {"ExpectedBucketOwner": desired.spec.location.account}
    try:
        client.upload_file(str(archive.path), bucket, key, ExtraArgs=owner)
    except S3UploadFailedError as error:
        raise error.__context__ or error  # noqa: B904 - S3's own error, without the wrapping
    try:
        yield key
    finally:
        client.delete_object(Bucket=bucket, Key=key, **owner)
