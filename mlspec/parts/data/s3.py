"""S3 objects to bytes, through boto3 with the credentials and the endpoint of the environment."""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from mlspec.errors import StageError
from mlspec.sections.addresses import folder as above_wildcard
from mlspec.sections.addresses import has_wildcard

CHUNK = 1024 * 1024


class _Body(Protocol):
    def iter_chunks(self, size: int, /) -> Iterator[bytes]: ...


class _Pages(Protocol):
    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[Mapping[str, Sequence[Mapping[str, str]]]]: ...  # noqa: N803


class _Client(Protocol):
    """The calls of boto3's S3 client that are used here."""

    def get_object(self, *, Bucket: str, Key: str) -> Mapping[str, _Body]: ...  # noqa: N803

    def get_paginator(self, operation: str, /) -> _Pages: ...


def chunks(address: str) -> Iterator[bytes]:
    """The bytes of one object, in chunks of 1 MiB. Raises StageError if S3 refuses it."""
    bucket, key = _parts(address)
    with _faults(address) as client:
        yield from client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(CHUNK)


def folder(address: str, target: Path) -> Path:
    """Download the objects below a prefix, or those matching a wildcard, to the new folder `target`. Returns `target`.

    Raises StageError if no object matches, or if S3 refuses one.
    """
    bucket, key = _parts(address)
    prefix = above_wildcard(key).rstrip("/")
    prefix = f"{prefix}/" if prefix not in ("", ".") else ""
    shutil.rmtree(target, ignore_errors=True)
    count = 0
    with _faults(address) as client:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for name in (item["Key"] for item in page.get("Contents", ())):
                if name.endswith("/") or (has_wildcard(key) and not fnmatch.fnmatchcase(name, key)):
                    continue
                _put(client, bucket, name, target, name.removeprefix(prefix))
                count += 1
    if not count:
        raise StageError(f"no objects match {address}", help="check data.source")
    return target


def _put(client: _Client, bucket: str, name: str, target: Path, path: str) -> None:
    file = target / path
    if ".." in Path(path).parts or path.startswith("/"):
        raise StageError(f"the key of the object {name} points outside the target folder", help="rename the object")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        for chunk in client.get_object(Bucket=bucket, Key=name)["Body"].iter_chunks(CHUNK):
            out.write(chunk)


def _parts(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key


@contextmanager
def _faults(address: str) -> Iterator[_Client]:
    """An S3 client whose errors become StageErrors."""
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise StageError("an s3:// source needs boto3", help="pip install 'mlspec[s3]'") from None
    try:
        # Older releases of boto3 do not read this variable by themselves.
        yield boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL") or None)
    except (BotoCoreError, ClientError) as error:
        raise StageError(f"cannot read {address}: {error}", help="check data.source and your AWS credentials") from None
