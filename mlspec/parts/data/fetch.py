"""The stage `fetch`: brings remote sources into the project, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.data.address import is_remote, many
from mlspec.parts.data.spec import DataSpec

CHUNK = 1024 * 1024
TIMEOUT = 60


def main(job: Job) -> None:
    """Run the stage. A file appears at its place only when it is complete and has the digest that the spec asks."""
    data = job.need(DataSpec)
    for name, (address, path) in data.remotes.items():
        target = job.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if many(address):
            from mlspec.parts.data.s3 import folder

            _in_place(folder(address, _partial(target)), target)
            print(f"fetch: {sum(f.is_file() for f in target.rglob('*'))} files to {path}")
        else:
            digest = _file(address, target, data.digest(name))
            print(f"fetch: {target.stat().st_size:,} bytes to {path}, sha256 {digest}")


def _partial(target: Path) -> Path:
    """Where a download grows; nothing reads names that begin with a dot."""
    return target.with_name(f".{target.name}.part")


def _file(address: str, target: Path, expected: str | None) -> str:
    partial = _partial(target)
    digest = hashlib.sha256()
    with partial.open("wb") as out:
        for chunk in _chunks(address):
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    found = digest.hexdigest()
    if expected is not None and found != expected:
        partial.unlink()
        raise StageError(
            f"{address} is not the file that the spec names: its sha256 is {found}",
            help="if the new contents are right, change data.sha256",
        )
    _in_place(partial, target)
    return found


def _in_place(partial: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    partial.replace(target)


def _chunks(address: str) -> Iterator[bytes]:
    if not address.startswith("s3://"):
        return _http(address)
    from mlspec.parts.data.s3 import chunks

    return chunks(address)


class _NoWayDown(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to where anyone may read or change what passes."""

    def redirect_request(  # noqa: PLR0913, D102, RUF100 - the library's signature
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not is_remote(newurl) or newurl.startswith("s3://"):
            raise urllib.error.URLError(f"it redirects to {newurl.split('?')[0]}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _http(url: str) -> Iterator[bytes]:
    try:
        with urllib.request.build_opener(_NoWayDown).open(url, timeout=TIMEOUT) as response:
            stream = cast("IO[bytes]", response)
            expected = int(response.headers.get("Content-Length") or -1)
            got = 0
            while chunk := stream.read(CHUNK):
                got += len(chunk)
                yield chunk
    except urllib.error.HTTPError as error:
        raise StageError(f"{url} answers {error.code} {error.reason}", help="check data.source") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise StageError(f"{url} cannot be fetched: {reason}", help="check the address and the network") from None
    if expected not in (-1, got):
        raise StageError(f"{url} broke off after {got:,} of {expected:,} bytes", help="run the stage again")
