"""Downloads an https:// address to a file, and resumes after interruptions.

A note beside the partial file states which version of the file it belongs to. The next attempt or run resumes at
the end of the partial file if the server confirms the version (RFC 9110, sections 13.1.5 and 14).
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
"""Consecutive attempts without progress before the download fails."""
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_PAUSE = 60.0
_CONNECTION_ERRORS = (ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")

Wait = Callable[[float], None]
"""Sleeps for a number of seconds."""


class HttpsRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only: over http anyone on the path could read or change the data."""

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


class _InterruptedError(Exception):
    """An attempt that failed for a temporary reason; `pause` is the server's Retry-After in seconds, or 0."""

    def __init__(self, what: str, pause: float = 0.0) -> None:
        super().__init__(what)
        self.pause = pause


class _Note(NamedTuple):
    """The file that a partial file belongs to: SHA-256 of the address, ETag or date of the version, length in bytes."""

    address: str
    version: str
    length: int


def download(url: str, partial: Path, wait: Wait) -> bool:
    """Download `url` to `partial`, complete by its length. Returns whether it resumed the bytes of an earlier run.

    Raises StageError if the server refuses the file or cannot be reached, and after TRIES attempts without progress.
    """
    before, most, failures = _offset(url, partial), 0, 0
    while True:
        try:
            _attempt(url, partial, reached=failures > 0)
        except _InterruptedError as broke:
            size = _size(partial)
            most, failures = (size, 1) if size > most else (most, failures + 1)
            if failures >= TRIES:
                help = "run the command again: it resumes the download if the server supports it"
                raise StageError(f"{url} {broke}", help=help) from None
            pause = max(broke.pause, min(2.0 ** (failures - 1), _LONGEST_PAUSE))
            print(f"{url} {broke}; retrying in {pause:.0f} s", flush=True)
            wait(pause)
        else:
            note_of(partial).unlink(missing_ok=True)
            return before > 0


def note_of(partial: Path) -> Path:
    """The path of the note about a partial file."""
    return partial.with_name(f"{partial.name}.json")


def _attempt(url: str, partial: Path, *, reached: bool) -> None:
    """One request for the missing bytes. `reached`: an earlier attempt reached the server."""
    note, offset = _read_note(url, partial), _offset(url, partial)
    if note is not None and offset == note.length:
        return
    try:
        request = urllib.request.Request(url)  # noqa: S310 - https, or this machine: `data.source` is checked
        if note is not None and offset:
            request.add_header("Range", f"bytes={offset}-")
            request.add_header("If-Range", note.version)
        with urllib.request.build_opener(HttpsRedirects).open(request, timeout=TIMEOUT) as response:
            _receive(url, response, partial, note, offset)
    except urllib.error.HTTPError as error:
        _raise_http_error(url, error, partial)
    except (urllib.error.URLError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if reached and isinstance(reason, OSError):
            raise _InterruptedError(f"cannot be reached: {reason}") from None
        # A wrong address, no network, an untrusted certificate or redirect: retrying would only hide it.
        raise StageError(f"{url} cannot be fetched: {reason}", help="check the address and the network") from None
    except _CONNECTION_ERRORS as error:
        raise _InterruptedError(f"was interrupted: {error}") from None
    except OSError as error:
        raise StageError(
            f"{partial.name} cannot be written: {error.strerror}", help="free disk space or fix the permissions"
        ) from None


def _raise_http_error(url: str, error: urllib.error.HTTPError, partial: Path) -> None:
    reply = f"returned HTTP {error.code} {error.reason}"
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        partial.unlink(missing_ok=True)
        raise _InterruptedError("no longer has the rest of the file (HTTP 416)")
    if error.code in _TEMPORARY:
        delay = error.headers.get("Retry-After", "")
        raise _InterruptedError(reply, min(float(delay), _LONGEST_PAUSE) if delay.isdecimal() else 0.0)
    raise StageError(f"{url} {reply}", help="check data.source") from None


def _receive(url: str, response: http.client.HTTPResponse, partial: Path, note: _Note | None, offset: int) -> None:
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        interval = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if note is None or interval is None or int(interval[1]) != offset or interval[3] not in ("*", str(note.length)):
            partial.unlink(missing_ok=True)
            raise _InterruptedError("sent a different byte range than requested")
        length, mode = note.length, "ab"
        print(f"resuming at byte {offset:,} of {length:,}", flush=True)
    else:
        length, mode = int(response.headers.get("Content-Length") or -1), "wb"
        partial.unlink(missing_ok=True)
        _write_note(partial, _Note(_address_digest(url), _version(response.headers), length))
    try:
        with partial.open(mode) as out:
            while chunk := response.read1(CHUNK):
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
    except _CONNECTION_ERRORS:
        pass  # the received bytes are written; the length shows that some are missing
    else:
        if length == -1:
            return
    if (size := _size(partial)) != length:
        raise _InterruptedError(
            f"was interrupted after {size:,} of {f'{length:,}' if length >= 0 else 'an unknown number of'} bytes"
        )


def _version(headers: http.client.HTTPMessage) -> str:
    """The validator for `If-Range`: a strong ETag, or a Last-Modified that is at least 60 s old; else empty."""
    etag = headers.get("ETag", "")
    if etag:
        return "" if etag.startswith("W/") else etag
    try:
        changed, now = (parsedate_to_datetime(headers[name]) for name in ("Last-Modified", "Date"))
        return headers["Last-Modified"] if (now - changed).total_seconds() >= 60 else ""
    except (TypeError, ValueError):
        return ""


def _address_digest(url: str) -> str:
    """The SHA-256 of the address, which may contain a secret token."""
    return hashlib.sha256(url.encode()).hexdigest()


def _write_note(partial: Path, note: _Note) -> None:
    """Write the note if the download can be resumed; without a note the partial file is downloaded again."""
    path = note_of(partial)
    path.unlink(missing_ok=True)
    if note.version and note.length >= 0:
        path.write_text(json.dumps(note._asdict()), encoding="utf-8")


def _read_note(url: str, partial: Path) -> _Note | None:
    try:
        record = json.loads(note_of(partial).read_text(encoding="utf-8"))
        note = _Note(str(record["address"]), str(record["version"]), int(record["length"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return note if note.address == _address_digest(url) and note.version.isprintable() and note.version else None


def _offset(url: str, partial: Path) -> int:
    """The number of bytes that are already downloaded and can be kept."""
    note, size = _read_note(url, partial), _size(partial)
    return size if note is not None and size <= note.length else 0


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
