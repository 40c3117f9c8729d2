"""An image registry over HTTP: manifests and the configuration of images, read by tag or digest.

The OCI distribution specification's pull half (github.com/opencontainers/distribution-spec, spec.md), as Amazon ECR and
the plain registry speak it.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mlspec.errors import StageError

_OCI, _DOCKER = "application/vnd.oci.image", "application/vnd.docker.distribution"
MANIFESTS: Final = (f"{_OCI}.manifest.v1+json", f"{_DOCKER}.manifest.v2+json")
INDEXES: Final = (f"{_OCI}.index.v1+json", f"{_DOCKER}.manifest.list.v2+json")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_PAUSES: Final = (0.5, 1.0, 2.0)
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Manifest:
    """One image as the registry holds it. `text` is what its digest is the digest of."""

    digest: str
    media_type: str
    text: str

    @property
    def config(self) -> str:
        """Digest of the image's configuration: Docker's id of the image."""
        return str(json.loads(self.text)["config"]["digest"])

    @property
    def size(self) -> int:
        """Bytes that a pull moves."""
        found = json.loads(self.text)
        return int(found["config"]["size"]) + sum(int(layer["size"]) for layer in found["layers"])


@dataclass(frozen=True)
class RegistryClient:
    """A registry at `host` (`HOST[:PORT]`). `authorization` is the value of the header of that name, "" for none."""

    host: str
    authorization: str = field(default="", repr=False)
    timeout: float = 30.0
    pause: Callable[[float], None] = time.sleep

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """The manifest of a tag or digest; None where there is none. Raises StageError for an index of images."""
        answer = self._get(f"{repository}/manifests/{reference}", {"Accept": ", ".join(MANIFESTS + INDEXES)})
        if answer is None:
            return None
        headers, body = answer
        kind = str(headers.get("Content-Type", "")).partition(";")[0]
        kind = kind if kind in MANIFESTS + INDEXES else str(json.loads(body).get("mediaType", kind))
        if kind in INDEXES:
            raise an_index(f"{self.host}/{repository}:{reference}")
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if headers.get("Docker-Content-Digest", digest) != digest:
            message = f"{self.host} sent a manifest that is not the one it names"
            raise StageError(message, help="the connection changes what it carries; try another network")
        return Manifest(digest, kind, body.decode())

    def configuration(self, repository: str, manifest: Manifest) -> dict[str, Any]:
        """The image's configuration: `architecture`, `os`, `config` with its labels."""
        answer = self._get(f"{repository}/blobs/{manifest.config}", {})
        if answer is None:
            raise StageError(
                f"{self.host}/{repository} lacks the configuration of {manifest.digest}", help="push it again"
            )
        found: dict[str, Any] = json.loads(answer[1])
        return found

    def labels(self, repository: str, reference: str) -> dict[str, str]:
        """Labels of an image by tag or digest; none where there is no such image."""
        manifest = self.manifest(repository, reference)
        return dict(self.configuration(repository, manifest)["config"].get("Labels") or {}) if manifest else {}

    def _get(self, path: str, headers: Mapping[str, str]) -> tuple[Mapping[str, str], bytes] | None:
        """Headers and body; None for 404. A dropped connection and a busy registry are tried again."""
        for pause in (*_PAUSES, None):
            try:
                return self._once(path, headers)
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                if error.code not in _AGAIN or pause is None:
                    raise self._refused(error) from None
            except (OSError, http.client.HTTPException) as error:
                if pause is None:
                    help = "check the network; is the registry running?"
                    raise StageError(f"the registry {self.host} cannot be reached: {error}", help=help) from None
            self.pause(pause)
        raise AssertionError

    def _once(self, path: str, headers: Mapping[str, str]) -> tuple[Mapping[str, str], bytes]:
        local = self.host.rpartition(":")[0] in _LOOPBACK or self.host in _LOOPBACK
        request = urllib.request.Request(  # noqa: S310 - the two schemes stand here
            f"{'http' if local else 'https'}://{self.host}/v2/{path}", headers=dict(headers)
        )
        if self.authorization:  # and never to where a blob is redirected to
            request.add_unredirected_header("Authorization", self.authorization)
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE")))
        direct = [urllib.request.ProxyHandler({})] if local else []
        with urllib.request.build_opener(tls, *direct).open(request, timeout=self.timeout) as response:
            return response.headers, response.read()

    def _refused(self, error: urllib.error.HTTPError) -> StageError:
        if error.code in (401, 403):
            help = "the credentials need the rights of ecr/push-policy.json"
            return StageError(f"the registry {self.host} refuses to show the image ({error.code})", help=help)
        return StageError(f"the registry {self.host} answers {error.code}", help="try again: mlspec apply")


def an_index(what: str) -> StageError:
    """Lambda takes one image, not a list of them."""
    return StageError(
        f"{what} is an index of images, and Lambda takes a single one",
        help="build it without attestations: docker build --provenance=false --sbom=false",
    )
