"""An npm registry on this machine: small packages behind npm's registry API (github.com/npm/registry, REGISTRY-API.md)."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.run.registry_server import RegistryHandler, registry


@dataclass(frozen=True)
class NpmRelease:
    """A release that has nothing but its package.json."""

    name: str
    release: str
    published: str = "2020-01-01T00:00:00.000Z"
    requires: Mapping[str, str] = field(default_factory=dict)

    @property
    def manifest(self) -> dict[str, object]:
        return {"name": self.name, "version": self.release, "dependencies": dict(self.requires)}

    @property
    def file(self) -> str:
        return f"/{self.name}/-/{self.name}-{self.release}.tgz"

    @property
    def content(self) -> bytes:
        text, stream = json.dumps(self.manifest).encode(), io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            info = tarfile.TarInfo("package/package.json")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
        return gzip.compress(stream.getvalue(), mtime=0)

    @property
    def integrity(self) -> str:
        return "sha512-" + base64.b64encode(hashlib.sha512(self.content).digest()).decode()


@contextmanager
def npm_registry(releases: Sequence[NpmRelease]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The address of a registry of these releases, on loopback; and its archives by path, which a test may replace."""
    archives = {one.file: one.content for one in releases}

    class Handler(RegistryHandler):
        def do_GET(self) -> None:
            here = f"http://{self.headers['Host']}"
            if self.path in archives:
                self.answer(archives[self.path], "application/octet-stream")
            elif owned := [one for one in releases if f"/{one.name}" == self.path]:
                dist = {one.file: {"tarball": here + one.file, "integrity": one.integrity} for one in owned}
                page = {
                    "name": owned[0].name,
                    "dist-tags": {"latest": owned[-1].release},
                    "versions": {one.release: {**one.manifest, "dist": dist[one.file]} for one in owned},
                    "time": {one.release: one.published for one in owned},
                }
                self.answer(json.dumps(page).encode(), "application/json")
            else:
                self.send_error(404)

    with registry(Handler) as address:
        yield address, archives
