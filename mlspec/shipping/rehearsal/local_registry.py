"""A small image registry for a machine without one: the part that `docker push` and `docker pull` by digest need.

    python -m mlspec.shipping.rehearsal.local_registry PORT FOLDER

The part of the OCI distribution specification 1.1 that writes and reads blobs and manifests; listens on 127.0.0.1 only.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import parse_qs, urlsplit

_NAME: Final = r"(?P<name>[a-z0-9]+(?:[._/-][a-z0-9]+)*)"
_BLOB: Final = re.compile(rf"/v2/{_NAME}/blobs/(?P<digest>sha256:[0-9a-f]{{64}})")
_UPLOAD: Final = re.compile(rf"/v2/{_NAME}/blobs/uploads/(?P<id>[0-9a-f]{{32}})?")
_MANIFEST: Final = re.compile(rf"/v2/{_NAME}/manifests/(?P<reference>[A-Za-z0-9_][A-Za-z0-9._:-]{{0,127}})")
_CHUNK: Final = 2**20


class BlobStore:
    """Blobs and manifests by digest, tags beside them, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("blobs", "uploads", "tags"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def blob(self, digest: str) -> Path:
        """The path of the content with that digest."""
        return self.folder / "blobs" / digest.partition(":")[2]

    def upload(self, id: str) -> Path:
        """The path of an unfinished upload."""
        return self.folder / "uploads" / id

    def tag(self, name: str, reference: str) -> Path:
        """The path of the digest and media type of a manifest; a digest is its own tag."""
        return self.folder / "tags" / name.replace("/", "%") / reference.replace(":", "-")

    def point(self, tag: Path, text: str) -> None:
        """Write a tag, whole or not at all."""
        partial = self.upload(uuid.uuid4().hex)
        partial.write_text(text, encoding="utf-8")
        tag.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(tag)

    def keep(self, upload: Path, digest: str) -> bool:
        """Store a finished upload; returns whether its content has the digest that the client states."""
        with upload.open("rb") as file:
            actual = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if actual != digest:
            upload.unlink()
            return False
        upload.replace(self.blob(digest))
        return True


class RegistryHandler(BaseHTTPRequestHandler):
    """Requests over a store."""

    store: BlobStore
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Blobs and manifests; HEAD is the same without the body."""
        path = urlsplit(self.path).path
        if path in ("/v2", "/v2/"):
            return self._respond(200, b"{}")
        if match := _BLOB.fullmatch(path):
            return self._file(self.store.blob(match["digest"]), "application/octet-stream", match["digest"])
        if match := _MANIFEST.fullmatch(path):
            return self._manifest(match["name"], match["reference"])
        return self._respond(404, b"{}")

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def do_POST(self) -> None:
        """Start an upload."""
        match = _UPLOAD.fullmatch(urlsplit(self.path).path)
        if match is None:
            return self._respond(404, b"{}")
        id = uuid.uuid4().hex
        self.store.upload(id).touch()
        where = f"/v2/{match['name']}/blobs/uploads/{id}"
        return self._respond(202, b"", {"Location": where, "Range": "0-0", "Docker-Upload-UUID": id})

    def do_PATCH(self) -> None:
        """Append to an upload."""
        match = _UPLOAD.fullmatch(urlsplit(self.path).path)
        upload = self.store.upload(match["id"]) if match and match["id"] else None
        if upload is None or not upload.exists():
            return self._respond(404, _error("BLOB_UPLOAD_UNKNOWN"))
        with upload.open("ab") as file:
            self._receive(file)
        headers = {"Location": urlsplit(self.path).path, "Range": f"0-{max(0, upload.stat().st_size - 1)}"}
        return self._respond(202, b"", headers)

    def do_PUT(self) -> None:
        """Finish an upload, or store a manifest."""
        parts = urlsplit(self.path)
        if match := _MANIFEST.fullmatch(parts.path):
            return self._keep_manifest(match["name"], match["reference"])
        match = _UPLOAD.fullmatch(parts.path)
        upload = self.store.upload(match["id"]) if match and match["id"] else None
        if match is None or upload is None or not upload.exists():
            return self._respond(404, _error("BLOB_UPLOAD_UNKNOWN"))
        with upload.open("ab") as file:
            self._receive(file)
        digest = parse_qs(parts.query).get("digest", [""])[0]
        if not self.store.keep(upload, digest):
            return self._respond(400, _error("DIGEST_INVALID"))
        return self._respond(201, b"", {"Location": f"/v2/{match['name']}/blobs/{digest}"})

    def _keep_manifest(self, name: str, reference: str) -> None:
        upload = self.store.upload(uuid.uuid4().hex)
        with upload.open("wb") as file:
            self._receive(file)
        digest = f"sha256:{hashlib.sha256(upload.read_bytes()).hexdigest()}"
        if reference.startswith("sha256:") and reference != digest:
            upload.unlink()
            return self._respond(400, _error("DIGEST_INVALID"))
        self.store.keep(upload, digest)
        for known in (reference, digest):
            tag = self.store.tag(name, known)
            self.store.point(tag, json.dumps([digest, self.headers.get("Content-Type", "")]))
        headers = {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest}
        return self._respond(201, b"", headers)

    def _manifest(self, name: str, reference: str) -> None:
        tag = self.store.tag(name, reference)
        if not tag.is_file():
            return self._respond(404, _error("MANIFEST_UNKNOWN"))
        digest, kind = json.loads(tag.read_text(encoding="utf-8"))
        return self._file(self.store.blob(digest), kind, digest)

    def _receive(self, file: BinaryIO) -> None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
                file.write(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left and (data := self.rfile.read(min(left, _CHUNK))):
            file.write(data)
            left -= len(data)

    def _file(self, path: Path, kind: str, digest: str) -> None:
        if not path.is_file():
            self._respond(404, _error("BLOB_UNKNOWN"))
            return
        self.send_response(200)
        for name, value in (
            ("Content-Type", kind),
            ("Docker-Content-Digest", digest),
            ("Content-Length", str(path.stat().st_size)),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            with path.open("rb") as file:
                while data := file.read(_CHUNK):
                    self.wfile.write(data)

    def _respond(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        usual = {"Docker-Distribution-API-Version": "registry/2.0", "Content-Type": "application/json"}
        for name, value in {**usual, **(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not logged: the Docker client shows its progress."""


def _error(code: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}).encode()


def bound(store: BlobStore) -> type[RegistryHandler]:
    """The handler of a server over that store."""
    return type("Bound", (RegistryHandler,), {"store": store})


def main(arguments: list[str]) -> None:
    """Serve until the process is stopped; files are complete at any time."""
    port, folder = arguments
    ThreadingHTTPServer(("127.0.0.1", int(port)), bound(BlobStore(Path(folder)))).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
