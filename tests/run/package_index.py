"""A package registry on this machine: small wheels behind the simple API (packaging.python.org, simple-repository-api)."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.run.registry_server import RegistryHandler, registry


@dataclass(frozen=True)
class Wheel:
    """A release without content."""

    name: str
    release: str
    uploaded: str = "2020-01-01T00:00:00Z"
    requires: Sequence[str] = ()

    @property
    def file(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.release}-py3-none-any.whl"

    @property
    def metadata(self) -> bytes:
        needs = "".join(f"Requires-Dist: {need}\n" for need in self.requires)
        return f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.release}\n{needs}".encode()

    @property
    def content(self) -> bytes:
        stream, info = io.BytesIO(), f"{self.name.replace('-', '_')}-{self.release}.dist-info"
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(zipfile.ZipInfo(f"{info}/METADATA"), self.metadata)
            archive.writestr(
                zipfile.ZipInfo(f"{info}/WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "")
        return stream.getvalue()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@contextmanager
def package_index(wheels: Sequence[Wheel]) -> Iterator[str]:
    """The address of a registry of these wheels, on loopback."""
    files = {f"/files/{wheel.file}": wheel.content for wheel in wheels}
    files |= {f"/files/{wheel.file}.metadata": wheel.metadata for wheel in wheels}
    pages: dict[str, list[Mapping[str, object]]] = {}
    for wheel in wheels:
        entry = {"filename": wheel.file, "url": f"/files/{wheel.file}", "hashes": {"sha256": wheel.sha256},
                 "upload-time": wheel.uploaded, "size": len(wheel.content), "core-metadata": True}  # fmt: skip
        pages.setdefault(f"/simple/{wheel.name}/", []).append(entry)

    class Handler(RegistryHandler):
        def do_GET(self) -> None:
            if self.path in files:
                self.answer(files[self.path], "application/octet-stream")
            elif self.path in pages:
                page = {
                    "meta": {"api-version": "1.1"},
                    "name": self.path.split("/")[2],
                    "files": pages[self.path],
                    "versions": [],
                }
                self.answer(json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")
            else:
                self.send_error(404)

    with registry(Handler) as address:
        yield f"{address}/simple"
