"""A function's code in the form that Lambda takes: the address of an image, a zip within the request, or, where that is
too large, a zip in a bucket (https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCode.html)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlspec.aws.desired import DesiredFunction, ZipArchive


@contextmanager
def code(desired: DesiredFunction) -> Iterator[dict[str, str | bytes]]:
    """What CreateFunction and UpdateFunctionCode take. Lambda copies it: afterwards the bucket is as it was."""
    archive, place = desired.archive, bucket_key(desired)
    if archive is None:
        yield {"ImageUri": desired.image}
    elif place is None:
        yield {"ZipFile": archive.path.read_bytes()}
    else:
        with _uploaded(desired, archive, *place):
            yield {"S3Bucket": place[0], "S3Key": place[1]}


def bucket_key(desired: DesiredFunction) -> tuple[str, str] | None:
    """The bucket that the zip is uploaded to, and its key there; None for code that fits within the request."""
    archive, zipped = desired.archive, desired.spec.package.zip
    if archive is None or archive.direct or zipped is None or zipped.bucket is None:
        return None
    return zipped.bucket, f"mlspec/{desired.name}/{archive.path.name}"


@contextmanager
def _uploaded(desired: DesiredFunction, archive: ZipArchive, bucket: str, key: str) -> Iterator[None]:
    """The archive lies in the bucket, from where it is deleted in the end."""
    from boto3.exceptions import S3UploadFailedError

    client = desired.target.client("s3")
    owner = {"ExpectedBucketOwner": desired.spec.location.account}
    try:
        client.upload_file(str(archive.path), bucket, key, ExtraArgs=owner)
    except S3UploadFailedError as error:
        raise error.__context__ or error  # noqa: B904 - S3's own error, without the wrapping
    try:
        yield
    finally:
        client.delete_object(Bucket=bucket, Key=key, **owner)
