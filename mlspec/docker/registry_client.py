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
from functools import cache
from typing import Final

from mlspec.docker.image_details import INDEXES, require_single
from mlspec.errors import StageError

_OCI, _DOCKER = "application/vnd.oci.image", "application/vnd.docker.distribution"
MANIFESTS: Final = (f"{_OCI}.manifest.v1+json", f"{_DOCKER}.manifest.v2+json")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_PAUSES: Final = (0.5, 1.0, 2.0)
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})


@cache
def _direct() -> urllib.request.OpenerDirector:
    """For a registry on this machine, past a proxy; it may still redirect to another host."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


@cache
def _secure(certificates: str | None) -> urllib.request.OpenerDirector:
    """For all other registries: reading the certificates takes longer than a request."""
    tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=certificates))
    return urllib.request.build_opener(tls)


@dataclass(frozen=True)
class Manifest:
    """One image in the registry. `text` is what `digest` is computed from."""

    digest: str
    media_type: str
    text: str

    @property
    def config(self) -> str:
        """Digest of the image's configuration: Docker's id of the image."""
        return str(json.loads(self.text)["config"]["digest"])

    @property
    def size(self) -> int:
        """Bytes of a pull."""
        manifest = json.loads(self.text)
        return int(manifest["config"]["size"]) + sum(int(layer["size"]) for layer in manifest["layers"])


@dataclass(frozen=True)
class RegistryClient:
    """A registry at `host` (`HOST[:PORT]`). `authorization` is the value of the header of that name, "" for none."""

    host: str
    authorization: str = field(default="", repr=False)
    timeout: float = 30.0
    pause: Callable[[float], None] = time.sleep

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """The manifest of a tag or digest; None where there is not one. Raises StageError for an index of images."""
        answer = self._get(f"{repository}/manifests/{reference}", {"Accept": ", ".join(MANIFESTS + INDEXES)})
        if answer is None:
            return None
        headers, body = answer
        kind = str(headers.get("Content-Type", "")).partition(";")[0]
        kind = kind if kind in MANIFESTS + INDEXES else str(json.loads(body).get("mediaType", kind))
        require_single(kind, f"{self.host}/{repository}:{reference}")
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if headers.get("Docker-Content-Digest", digest) != digest:
            message = f"{self.host} sent a manifest that does not match its digest"
            raise StageError(message, help="a proxy may have changed it: try another network")
        return Manifest(digest, kind, body.decode())

    def labels(self, repository: str, reference: str) -> dict[str, str]:
        """The labels of an image, by tag or digest; empty where the registry has no such image."""
        manifest = self.manifest(repository, reference)
        return self._labels(repository, manifest) if manifest else {}

    def _labels(self, repository: str, manifest: Manifest) -> dict[str, str]:
        answer = self._get(f"{repository}/blobs/{manifest.config}", {})
        if answer is None:
            message = f"{self.host}/{repository} lacks the configuration of {manifest.digest}"
            raise StageError(message, help="mlspec apply --force push")
        labels = json.loads(answer[1]).get("config", {}).get("Labels") or {}
        return {str(name): str(text) for name, text in labels.items()}

    def _get(self, path: str, headers: Mapping[str, str]) -> tuple[Mapping[str, str], bytes] | None:
        """Headers and body; None for 404. Retries after a dropped connection or a busy registry."""
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
                    help = "check the network, and that the registry runs"
                    raise StageError(f"the registry {self.host} cannot be reached: {error}", help=help) from None
            self.pause(pause)
        raise AssertionError

    def _once(self, path: str, headers: Mapping[str, str]) -> tuple[Mapping[str, str], bytes]:
        local = self.host.rpartition(":")[0] in _LOOPBACK or self.host in _LOOPBACK
        request = urllib.request.Request(  # noqa: S310 - one of two fixed schemes
            f"{'http' if local else 'https'}://{self.host}/v2/{path}", headers=dict(headers)
        )
        if self.authorization:  # which is not sent to where a blob is redirected
            request.add_unredirected_header("Authorization", self.authorization)
        opener = _direct() if local else _secure(os.environ.get("AWS_CA_BUNDLE"))
        with opener.open(request, timeout=self.timeout) as response:
            return response.headers, response.read()

    def _refused(self, error: urllib.error.HTTPError) -> StageError:
        if error.code in (401, 403):
            help = "the credentials need the permissions in ecr/push-policy.json"
            return StageError(f"the registry {self.host} refuses to show the image (HTTP {error.code})", help=help)
        return StageError(f"the registry {self.host} answers with HTTP {error.code}", help="run `mlspec apply` again")
