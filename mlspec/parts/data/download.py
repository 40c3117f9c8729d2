"""An https:// address to the bytes of its file, however often the connection breaks on the way.

What has arrived stays beside a note of what it is a part of, and the next try or the next run goes on behind it, where
the server says that its file is still the same (RFC 9110, sections 13.1.5 and 14).
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, NamedTuple

from mlspec.errors import StageError
from mlspec.sections.addresses import is_remote

CHUNK = 1024 * 1024
TIMEOUT = 60
TRIES = 6
"""In a row without a byte more than before."""
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_LONGEST = 60.0
_DROPPED = (ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")

Wait = Callable[[float], None]
"""Sleeps for so many seconds."""


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


class _BrokeError(Exception):
    """A try that ended early, in words; the next may fare better, after `pause` seconds if the server says so."""

    def __init__(self, what: str, pause: float = 0.0) -> None:
        super().__init__(what)
        self.pause = pause


class _Note(NamedTuple):
    """What a partial file is a part of: the address by its digest, the server's name for this version, its length."""

    address: str
    version: str
    length: int


def download(url: str, partial: Path, wait: Wait) -> bool:
    """Bring `url` into `partial`, complete by its length. Says whether it went on from an earlier run's bytes.

    Raises StageError where the server has no such file, where it is not to be reached, or after TRIES without progress.
    """
    before, most, failures = _offset(url, partial), 0, 0
    while True:
        try:
            _attempt(url, partial, reached=failures > 0)
        except _BrokeError as broke:
            size = _size(partial)
            most, failures = (size, 1) if size > most else (most, failures + 1)
            if failures >= TRIES:
                help = "run the stage again: it goes on from there where the server can"
                raise StageError(f"{url} {broke}", help=help) from None
            pause = max(broke.pause, min(2.0 ** (failures - 1), _LONGEST))
            print(f"fetch: {url} {broke}; again in {pause:.0f} s", flush=True)
            wait(pause)
        else:
            note_of(partial).unlink(missing_ok=True)
            return before > 0


def note_of(partial: Path) -> Path:
    """Where the note about a partial file lies."""
    return partial.with_name(f"{partial.name}.json")


def _attempt(url: str, partial: Path, *, reached: bool) -> None:
    """One request, for what is still missing. `reached` is whether the server was there a moment ago."""
    note, offset = _load(url, partial), _offset(url, partial)
    if note is not None and offset == note.length:
        return
    try:
        request = urllib.request.Request(url)  # noqa: S310 - https, or this machine: `data.source` is checked
        if note is not None and offset:
            request.add_header("Range", f"bytes={offset}-")
            request.add_header("If-Range", note.version)
        with urllib.request.build_opener(_NoWayDown).open(request, timeout=TIMEOUT) as response:
            _receive(url, response, partial, note, offset)
    except urllib.error.HTTPError as error:
        _refused(url, error, partial)
    except (urllib.error.URLError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if reached and isinstance(reason, OSError):
            raise _BrokeError(f"cannot be reached: {reason}") from None
        # A wrong address, no network, a certificate or redirect not to be trusted: waiting would only hide it.
        raise StageError(f"{url} cannot be fetched: {reason}", help="check the address and the network") from None
    except _DROPPED as error:
        raise _BrokeError(f"broke off: {error}") from None
    except OSError as error:
        raise StageError(f"{partial.name} cannot be written: {error.strerror}", help="see to the disk") from None


def _refused(url: str, error: urllib.error.HTTPError, partial: Path) -> None:
    answer = f"answers {error.code} {error.reason}"
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        partial.unlink(missing_ok=True)
        raise _BrokeError("no longer has what was missing of its file")
    if error.code in _PASSING:
        told = error.headers.get("Retry-After", "")
        raise _BrokeError(answer, min(float(told), _LONGEST) if told.isdecimal() else 0.0)
    raise StageError(f"{url} {answer}", help="check data.source") from None


def _receive(url: str, response: http.client.HTTPResponse, partial: Path, note: _Note | None, offset: int) -> None:
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if note is None or found is None or int(found[1]) != offset or found[3] not in ("*", str(note.length)):
            partial.unlink(missing_ok=True)
            raise _BrokeError("sent another part than it was asked for")
        length, mode = note.length, "ab"
        print(f"fetch: goes on behind {offset:,} of {length:,} bytes", flush=True)
    else:
        length, mode = int(response.headers.get("Content-Length") or -1), "wb"
        partial.unlink(missing_ok=True)
        _remember(partial, _Note(_name(url), _version(response.headers), length))
    try:
        with partial.open(mode) as out:
            while chunk := response.read1(CHUNK):
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
    except _DROPPED:
        pass  # what has arrived is written; its length tells the rest
    else:
        if length == -1:
            return
    if (size := _size(partial)) != length:
        raise _BrokeError(
            f"broke off after {size:,} of {f'{length:,}' if length >= 0 else 'an unknown number of'} bytes"
        )


def _version(headers: http.client.HTTPMessage) -> str:
    """What `If-Range` may hold: a strong ETag, or a date that no second change can share; empty where there is none."""
    etag = headers.get("ETag", "")
    if etag:
        return "" if etag.startswith("W/") else etag
    try:
        changed, now = (parsedate_to_datetime(headers[name]) for name in ("Last-Modified", "Date"))
        return headers["Last-Modified"] if (now - changed).total_seconds() >= 60 else ""
    except (TypeError, ValueError):
        return ""


def _name(url: str) -> str:
    """The address, without what may be secret in it."""
    return hashlib.sha256(url.encode()).hexdigest()


def _remember(partial: Path, note: _Note) -> None:
    """Keep the note where a part could be gone on with; without it a part is worth nothing."""
    path = note_of(partial)
    path.unlink(missing_ok=True)
    if note.version and note.length >= 0:
        path.write_text(json.dumps(note._asdict()), encoding="utf-8")


def _load(url: str, partial: Path) -> _Note | None:
    try:
        found = json.loads(note_of(partial).read_text(encoding="utf-8"))
        note = _Note(str(found["address"]), str(found["version"]), int(found["length"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return note if note.address == _name(url) and note.version.isprintable() and note.version else None


def _offset(url: str, partial: Path) -> int:
    """How many bytes there are to go on behind."""
    note, size = _load(url, partial), _size(partial)
    return size if note is not None and size <= note.length else 0


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
