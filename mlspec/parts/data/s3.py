"""Objects of S3 to bytes, through boto3 with the credentials and the endpoint that its environment names."""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlspec.errors import StageError
from mlspec.sections.addresses import folder as above_wildcard
from mlspec.sections.addresses import has_wildcard

CHUNK = 1024 * 1024


def chunks(address: str) -> Iterator[bytes]:
    """The bytes of one object. Raises StageError."""
    bucket, key = _parts(address)
    with _faults(address) as client:
        yield from client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(CHUNK)


def folder(address: str, target: Path) -> Path:
    """Put the objects below a prefix, or those that match a wildcard, into the new folder `target`."""
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
        raise StageError(f"there are no objects at {address}", help="check data.source")
    return target


def _put(client: Any, bucket: str, name: str, target: Path, path: str) -> None:
    file = target / path
    if ".." in Path(path).parts or path.startswith("/"):
        raise StageError(f"the object {name} has a name that leaves its folder", help="rename it")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        for chunk in client.get_object(Bucket=bucket, Key=name)["Body"].iter_chunks(CHUNK):
            out.write(chunk)


def _parts(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key


@contextmanager
def _faults(address: str) -> Iterator[Any]:
    """A client; what goes wrong with it becomes a StageError."""
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise StageError("an s3:// source needs boto3", help="pip install 'mlspec[s3]'") from None
    try:
        # Older releases of boto3 do not read this variable by themselves.
        yield boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL") or None)
    except (BotoCoreError, ClientError) as error:
        raise StageError(
            f"{address} cannot be read: {error}", help="check data.source and your AWS credentials"
        ) from None
