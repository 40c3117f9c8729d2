"""Downloads over a connection that breaks, from a real http server that is told where to break it."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.parts.data.download import TRIES
from mlspec.parts.data.fetch import bring
from tests.conftest import CHECKOUT

CONTENTS = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENTS).hexdigest()
LONG_AGO = 1_000_000_000.0


@dataclass
class Server:
    """A file, how its server names this version of it, and after how many bytes each of its answers breaks off."""

    contents: bytes = CONTENTS
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    breaks: list[int] = field(default_factory=list)
    statuses: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    address: str = ""
    offset: Callable[[int], int] = lambda start: start
    chunked: bool = False

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.ranges.append(request.headers.get("Range"))
        if self.statuses:
            status, headers = self.statuses.pop(0)
            self._head(request, status, headers | {"Content-Length": "0"})
            return
        start = self._start(request)
        body = self.contents[start:]
        headers = dict(self.headers)
        if start:
            last = len(self.contents) - 1
            headers["Content-Range"] = f"bytes {self.offset(start)}-{last}/{len(self.contents)}"
        headers |= {"Transfer-Encoding": "chunked"} if self.chunked else {"Content-Length": str(len(body))}
        self._head(request, 206 if start else 200, headers)
        cut = self.breaks.pop(0) if self.breaks else len(body)
        framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if self.chunked else body
        request.wfile.write(framed if cut >= len(body) else framed[:cut])

    def _start(self, request: BaseHTTPRequestHandler) -> int:
        """The offset at which a request resumes: only if its version is this one (RFC 9110)."""
        requested, version = request.headers.get("Range"), request.headers.get("If-Range")
        same = version in (None, self.headers.get("ETag"), self.headers.get("Last-Modified"))
        return int(requested.removeprefix("bytes=").removesuffix("-")) if requested and same else 0

    def _head(self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()


@pytest.fixture
def server() -> Iterator[Server]:
    messages = Server()

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if messages.breaks and messages.breaks[0] < 0:
                messages.breaks.pop(0)
                messages.ranges.append("dropped")
            else:
                messages.answer(self)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        messages.address = f"http://127.0.0.1:{running.server_port}/rows.bin"
        yield messages
        running.shutdown()


@dataclass
class Download:
    """A download to a folder, which waits for nothing and notes how long it would have."""

    folder: Path
    server: Server
    waits: list[float] = field(default_factory=list)

    def __call__(self, sha256: str | None = None) -> str:
        return bring(self.server.address, self.folder / "rows.bin", sha256, self.waits.append)

    @property
    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def download(tmp_path: Path, server: Server) -> Download:
    return Download(tmp_path, server)


def test_it_resumes_where_the_connection_broke(
    download: Download, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.breaks = [1000, 3000]
    assert download(DIGEST) == DIGEST
    assert (download.folder / "rows.bin").read_bytes() == CONTENTS
    assert server.ranges == [None, "bytes=1000-", "bytes=4000-"]
    assert download.waits == [1, 1]
    assert download.left == ["rows.bin"]
    output = capsys.readouterr().out
    assert "was interrupted after 1,000 of 10,240 bytes; retrying in 1 s" in output
    assert "resuming at byte 4,000 of 10,240" in output


def test_the_next_run_resumes_where_the_last_one_stopped(download: Download, server: Server) -> None:
    server.breaks = [1000, *[0] * (TRIES - 1)]
    with pytest.raises(StageError, match="was interrupted after 1,000 of 10,240 bytes"):
        download()
    assert download.waits == [1, 2, 4, 8, 16]
    assert download.left == [".rows.bin.part", ".rows.bin.part.json"]
    assert download() == DIGEST
    assert server.ranges[-1] == "bytes=1000-"
    assert download.left == ["rows.bin"]


def test_progress_resets_the_number_of_attempts(download: Download, server: Server) -> None:
    server.breaks = [100] * (2 * TRIES)
    assert download() == DIGEST
    assert set(download.waits) == {1}


def test_a_file_that_changed_meanwhile_comes_from_its_start(download: Download, server: Server) -> None:
    server.breaks = [1000, *[0] * (TRIES - 1)]
    with pytest.raises(StageError):
        download()
    server.contents, server.headers = CONTENTS[::-1], {"ETag": '"two"'}
    assert download() == hashlib.sha256(CONTENTS[::-1]).hexdigest()
    assert (download.folder / "rows.bin").read_bytes() == CONTENTS[::-1]


def test_a_server_that_gives_two_files_one_name(download: Download, server: Server) -> None:
    server.breaks = [1000, *[0] * (TRIES - 1)]
    with pytest.raises(StageError):
        download()
    server.contents = CONTENTS[::-1]
    digest = hashlib.sha256(server.contents).hexdigest()
    assert download(digest) == digest
    assert server.ranges[-2:] == ["bytes=1000-", None]


@pytest.mark.parametrize(
    "headers",
    [{}, {"ETag": 'W/"one"'}, {"Last-Modified": "now"}, {"Last-Modified": "yesterday"}],
    ids=["nothing", "weak", "just now", "no date"],
)
def test_without_a_strong_validator_a_download_starts_from_scratch(
    download: Download, server: Server, headers: dict[str, str]
) -> None:
    now = {name: formatdate(usegmt=True) if value == "now" else value for name, value in headers.items()}
    server.headers, server.breaks = now, [1000]
    assert download() == DIGEST
    assert server.ranges == [None, None]


def test_an_old_last_modified_date_is_a_strong_validator(download: Download, server: Server) -> None:
    server.headers, server.breaks = {"Last-Modified": formatdate(LONG_AGO, usegmt=True)}, [1000]
    assert download() == DIGEST
    assert server.ranges == [None, "bytes=1000-"]


def test_another_part_than_was_asked_for_is_not_taken(download: Download, server: Server) -> None:
    server.breaks, server.offset = [1000], lambda start: start + 1
    assert download() == DIGEST
    assert server.ranges == [None, "bytes=1000-", None]


def test_a_connection_that_is_dropped_without_an_answer(download: Download, server: Server) -> None:
    server.breaks = [-1, 1000, -1]
    assert download() == DIGEST
    assert server.ranges == ["dropped", None, "dropped", "bytes=1000-"]


def test_a_body_in_chunks_is_whole_or_fetched_again(download: Download, server: Server) -> None:
    server.chunked, server.breaks = True, [500]
    assert download() == DIGEST
    assert server.ranges == [None, None]


def test_a_busy_server_is_waited_for(download: Download, server: Server) -> None:
    server.statuses = [(503, {"Retry-After": "7"}), (429, {"Retry-After": "86400"}), (500, {}), (416, {})]
    assert download() == DIGEST
    assert download.waits == [7, 60, 4, 8]


def test_one_that_refuses_is_not(download: Download, server: Server) -> None:
    server.statuses = [(403, {})]
    with pytest.raises(StageError, match="returned HTTP 403 Forbidden"):
        download()
    assert download.waits == []


def test_a_note_of_another_address_or_none_is_ignored(download: Download, server: Server) -> None:
    (download.folder / ".rows.bin.part").write_bytes(b"x" * 50)
    for note in ("", "[]", '{"address": "a", "version": "b", "length": 100}'):
        (download.folder / ".rows.bin.part.json").write_text(note)
        assert download() == DIGEST
    assert server.ranges == [None] * 3


def test_a_whole_part_needs_only_its_place(download: Download, server: Server) -> None:
    server.breaks = [1000, *[0] * (TRIES - 1)]
    with pytest.raises(StageError):
        download()
    (download.folder / ".rows.bin.part").write_bytes(CONTENTS)
    requested = len(server.ranges)
    assert download(DIGEST) == DIGEST
    assert len(server.ranges) == requested


def test_git_passes_over_what_has_not_arrived_yet(tmp_path: Path) -> None:
    source = (CHECKOUT / "specs/minimal/mlproject.yaml").read_text()
    assert "/data/raw/**/.*.part*" not in ignored(tmp_path, source)
    fetching = re.sub(r"source: \S+", "source: https://example.org/rows.csv", source)
    assert "/data/raw/**/.*.part*" in ignored(tmp_path, fetching)


def ignored(root: Path, spec: str) -> str:
    (root / "mlproject.yaml").write_text(spec)
    return next(file.text for file in compile_project(root / "mlproject.yaml").files if file.path == ".gitignore")
