"""An image in the Docker engine, as `docker image inspect` reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.errors import StageError

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
"""Media types of a list of images for several platforms."""


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """One image."""

    id: str
    size: int
    """In bytes, uncompressed."""
    os: str
    architecture: str
    media_type: str
    """Of its manifest; "" where the engine does not report one: such an engine holds single images only."""
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    """`REPOSITORY@DIGEST` for each registry that it came from or was pushed to."""
    layers: tuple[str, ...] = ()
    labels: Mapping[str, str] | None = None
    ports: tuple[int, ...] = ()
    """Ports that it exposes."""

    @property
    def platform(self) -> str:
        """`linux/amd64`."""
        return f"{self.os}/{self.architecture}"


def parse_details(value: Mapping[str, JsonValue]) -> ImageDetails:
    """The details in one object of the output of `docker image inspect`."""
    config = _object(value.get("Config"))
    return ImageDetails(
        id=str(value.get("Id") or ""),
        size=int(str(value.get("Size") or 0)),
        os=str(value.get("Os") or "linux"),
        architecture=str(value.get("Architecture") or ""),
        media_type=str(_object(value.get("Descriptor")).get("mediaType") or ""),
        tags=_texts(value.get("RepoTags")),
        digests=_texts(value.get("RepoDigests")),
        layers=_texts(_object(value.get("RootFS")).get("Layers")),
        labels={name: str(text) for name, text in _object(config.get("Labels")).items()},
        ports=tuple(int(port.partition("/")[0]) for port in _object(config.get("ExposedPorts"))),
    )


def require_single(media_type: str, name: str) -> None:
    """Raise StageError where the image is an index: Lambda accepts a single image only."""
    if media_type in INDEXES:
        raise StageError(
            f"{name} is an index of images, and Lambda accepts a single image only",
            help="build it without attestations: docker build --provenance=false --sbom=false",
        )


def _object(value: object) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
