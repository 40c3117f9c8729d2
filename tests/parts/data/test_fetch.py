"""Fetching from a real http server and from moto's S3, both on this machine."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import StageError
from mlspec.parts.data.download import HttpsRedirects
from tests.conftest import missing
from tests.parts.data.project import csv, data_splits, fetched, read, rows, write

CONTENTS = csv(40).encode()
DIGEST = hashlib.sha256(CONTENTS).hexdigest()


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/rows.csv")
        elif path in ("/down", "/file"):
            self.send_response(302)
            self.send_header("Location", "http://example.org/rows.csv" if path == "/down" else "file:///etc/passwd")
        elif path in ("/rows.csv", "/valid/rows.csv"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENTS)))
        else:
            self.send_response(404)
        self.end_headers()
        if path.endswith(".csv") and path != "/missing.csv":
            self.wfile.write(CONTENTS)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize("path", ["/rows.csv", "/rows.csv?token=1", "/moved"])
def test_a_file_over_http(tmp_path: Path, server: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings: dict[str, Any] = {"source": server + path, "sha256": DIGEST, "format": {"type": "csv"}}
    fetched(tmp_path, **settings)
    assert DIGEST in capsys.readouterr().out
    assert len(rows(data_splits(tmp_path, **settings))) == 40
    assert [p.name for p in (tmp_path / "data/raw").iterdir()] == ["moved" if path == "/moved" else "rows.csv"]


def test_another_digest_is_refused_and_the_old_file_is_kept(tmp_path: Path, server: str) -> None:
    write(tmp_path, {"data/raw/rows.csv": "old"})
    with pytest.raises(StageError, match=f"the sha256 of .* is {DIGEST}"):
        fetched(tmp_path, source=f"{server}/rows.csv", sha256="0" * 64)
    assert (tmp_path / "data/raw/rows.csv").read_text() == "old"
    assert len(list((tmp_path / "data/raw").iterdir())) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/missing.json", "returned HTTP 404"),
        ("/down", "redirects to http://example.org/rows.csv, which is not https"),
        ("/file", "Redirection to url 'file:///etc/passwd' is not allowed"),
    ],
)
def test_a_fetch_that_fails_leaves_nothing_to_read(tmp_path: Path, server: str, path: str, message: str) -> None:
    with pytest.raises(StageError, match=message):
        fetched(tmp_path, source=server + path)
    assert not [p for p in (tmp_path / "data/raw").iterdir() if not p.name.startswith(".")]


def test_no_server(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(StageError, match=r"cannot be fetched: .*refused"):
            fetched(tmp_path, source=f"http://127.0.0.1:{unused.getsockname()[1]}/rows.csv")


def test_https_never_becomes_http() -> None:
    request = urllib.request.Request("https://example.org/a")
    with pytest.raises(urllib.error.URLError):
        HttpsRedirects().redirect_request(request, None, 302, "", request.headers, "http://example.org/a")  # type: ignore[arg-type]


def test_each_split_from_its_own_address(tmp_path: Path, server: str) -> None:
    split = {"valid": f"{server}/valid/rows.csv", "test": 0.25}
    settings: dict[str, Any] = {"source": f"{server}/rows.csv", "split": split}
    fetched(tmp_path, **settings, sha256={"train": DIGEST, "valid": DIGEST})
    tables = data_splits(tmp_path, **settings)
    assert {name: t.num_rows for name, t in tables.items()} == {"train": 30, "valid": 40, "test": 10}
    with pytest.raises(StageError, match=r"the sha256 of .*valid/rows\.csv is"):
        fetched(tmp_path, **settings, sha256={"valid": "0" * 64})


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of an S3 that runs on this machine; the environment names it, as a user's would."""
    boto3 = pytest.importorskip("boto3")
    if not Path(sys.executable).with_name("moto_server").exists():
        missing("moto_server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("moto") / "log").open("w+")
    command = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
    running = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", address)
        for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "us-east-1"}.items():
            environment.setenv(f"AWS_{name}", value)
        environment.delenv("AWS_PROFILE", raising=False)
        try:
            client = boto3.client("s3", endpoint_url=address)
            _until_up(port, running, Path(log.name))
            client.create_bucket(Bucket="bucket")
            yield client
        finally:
            running.terminate()
            running.wait()
            log.close()


def _until_up(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    while running.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            continue
        return
    pytest.fail(log.read_text())


def test_an_object_of_s3(tmp_path: Path, s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="raw/rows.csv", Body=CONTENTS)
    fetched(tmp_path, source="s3://bucket/raw/rows.csv", sha256=DIGEST)
    assert len(rows(data_splits(tmp_path, source="s3://bucket/raw/rows.csv"))) == 40


@pytest.mark.parametrize("source", ["s3://bucket/many/", "s3://bucket/many/*.csv"])
def test_many_objects_of_s3(tmp_path: Path, s3: Any, source: str) -> None:
    lines = CONTENTS.decode().splitlines()
    s3.put_object(Bucket="bucket", Key="many/1.csv", Body="\n".join(lines[:21]).encode())
    s3.put_object(Bucket="bucket", Key="many/2.csv", Body="\n".join([lines[0], *lines[21:]]).encode())
    s3.put_object(Bucket="bucket", Key="many/", Body=b"")
    write(tmp_path, {"data/raw/many/gone.csv": "no longer there"})
    settings: dict[str, Any] = {"source": source, "format": {"type": "csv"}}
    fetched(tmp_path, **settings)
    assert sorted(p.name for p in (tmp_path / "data/raw/many").iterdir()) == ["1.csv", "2.csv"]
    assert len(rows(data_splits(tmp_path, **settings))) == 40
    assert read(tmp_path, "profile.json")["rows"] == 40


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("s3://bucket/nothing.csv", "cannot read s3://bucket/nothing.csv: .*NoSuchKey"),
        ("s3://no-such-bucket/rows.csv", "cannot read .*NoSuchBucket"),
        ("s3://bucket/nothing/", "no objects match s3://bucket/nothing/"),
    ],
)
def test_what_is_not_in_s3(tmp_path: Path, s3: Any, source: str, message: str) -> None:
    with pytest.raises(StageError, match=message):
        fetched(tmp_path, source=source)


def test_an_object_whose_name_leads_out_of_its_folder(tmp_path: Path, s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="evil/../../out.csv", Body=b"x")
    with pytest.raises(StageError, match="points outside the target folder"):
        fetched(tmp_path, source="s3://bucket/evil/")
    assert not list(tmp_path.rglob("out.csv"))
