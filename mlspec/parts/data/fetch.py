"""The stage `fetch`: brings a remote source into the project, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import IO, cast

from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.data.spec import DataSpec

CHUNK = 1024 * 1024
TIMEOUT = 60


def main(job: Job) -> None:
    """Run the stage. The file appears at its place only when it is complete and has the digest that the spec asks."""
    data = job.need(DataSpec)
    target = job.root / data.fetched
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    digest = hashlib.sha256()
    with partial.open("wb") as out:
        for chunk in _s3(data.source) if data.source.startswith("s3://") else _http(data.source):
            digest.update(chunk)
            out.write(chunk)
    if data.sha256 is not None and digest.hexdigest() != data.sha256:
        partial.unlink()
        raise StageError(
            f"{data.source} is not the file that the spec names: its sha256 is {digest.hexdigest()}",
            help="if the new contents are right, change data.sha256",
        )
    partial.replace(target)
    print(f"fetch: {target.stat().st_size:,} bytes, sha256 {digest.hexdigest()}")


def _http(url: str) -> Iterator[bytes]:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310 - the spec allows https only
            stream = cast("IO[bytes]", response)
            expected = int(response.headers.get("Content-Length") or -1)
            got = 0
            while chunk := stream.read(CHUNK):
                got += len(chunk)
                yield chunk
        if expected not in (-1, got):
            raise StageError(f"{url} broke off after {got:,} of {expected:,} bytes", help="run the stage again")
    except urllib.error.HTTPError as error:
        raise StageError(f"{url} answers {error.code} {error.reason}", help="check data.source") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise StageError(
            f"{url} cannot be reached: {getattr(error, 'reason', error)}", help="check the network"
        ) from None


def _s3(url: str) -> Iterator[bytes]:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise StageError("an s3:// source needs boto3", help="pip install 'mlspec[s3]'") from None
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        client = boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL") or None)
        body = client.get_object(Bucket=bucket, Key=key)["Body"]
        yield from body.iter_chunks(CHUNK)
    except (BotoCoreError, ClientError) as error:
        raise StageError(f"{url} cannot be read: {error}", help="check data.source and your AWS credentials") from None
