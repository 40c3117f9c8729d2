"""What was packaged, image or zip, and the checks that it passed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from mlspec.records.bundle_provenance import BundleProvenance
from mlspec.records.bundle_signature import BundleSignature
from mlspec.records.image_labels import from_labels
from mlspec.records.record_file import OPTIONAL, Finite, Record, Value


class ExamplePrediction(Value):
    """A row, and what the bundle predicts for it: how a deployment verifies a new version without the bundle."""

    row: Mapping[str, JsonValue] = Field(description="A request, generated from the profile")
    answer: Mapping[str, JsonValue] = Field(description="The prediction of the bundle")


class SizeCheck(Value):
    """A size and its limit."""

    bytes: int = Field(description="The size")
    max_bytes: int = Field(description="The limit, from the spec")


class HttpCheck(Value):
    """The image's server over HTTP, without a network, with a writable root."""

    rows: int = Field(description="Example rows")
    difference: Finite = Field(description="Largest difference from the bundle's predictions")
    seconds: Finite = Field(description="From the start of the container to the first answer")
    writes: tuple[str, ...] = Field((), description="Files written outside of /tmp; none in an image that passed")


class LockedCheck(Value):
    """The image without a network, with a read-only root; for Lambda with the function's memory, in the emulator."""

    rows: int = Field(description="Example rows")
    difference: Finite = Field(description="Largest difference from the bundle's predictions")
    seconds: Finite = Field(description="From the start of the container to the first answer")
    peak: int | None = Field(None, description="Bytes of memory; null where they cannot be read")
    memory_mb: int | None = Field(None, description="The limit; null without a function")
    emulator: bool | None = Field(None, description="Whether it ran in Lambda's emulator", json_schema_extra=OPTIONAL)
    why: str = Field("", description="Why the emulator was not used", json_schema_extra=OPTIONAL)


class ImageProof(Value):
    """The checks that an image passed."""

    manifest: str = Field(description="Media type of the manifest, `single` where the engine does not report it")
    architecture: str = Field(description="amd64 or arm64")
    size: SizeCheck = Field(description="Size of the image")
    network: Literal["none"] = Field("none", description="The containers have no network")
    http: HttpCheck = Field(description="With a writable root")
    locked: LockedCheck = Field(description="With a read-only root")
    examples: tuple[ExamplePrediction, ...] = Field((), description="The example rows with their predictions")
    asked: str = Field("", description="Digest of the options that the checks depend on", json_schema_extra=OPTIONAL)


class ZipProof(Value):
    """The checks that a zip passed. The keys from `rows` on are missing where this machine cannot run it."""

    size: SizeCheck = Field(description="Size of the unpacked zip")
    examples: tuple[ExamplePrediction, ...] = Field((), description="The example rows with their predictions")
    emulator: bool = Field(description="Whether it ran in Lambda's emulator")
    why: str = Field("", description="Why not", json_schema_extra=OPTIONAL)
    rows: int | None = Field(None, description="Example rows", json_schema_extra=OPTIONAL)
    difference: Finite | None = Field(
        None, description="Largest difference from the bundle's predictions", json_schema_extra=OPTIONAL
    )
    seconds: Finite | None = Field(None, description="From the start to the first answer", json_schema_extra=OPTIONAL)
    peak: int | None = Field(None, description="Bytes of memory", json_schema_extra=OPTIONAL)
    memory_mb: int | None = Field(None, description="The function's memory", json_schema_extra=OPTIONAL)


class PackagedBundle(Record):
    """What image and zip have in common."""

    FILE: ClassVar[str] = "image.json"
    STAGE: ClassVar[str] = "image"

    labels: Mapping[str, str] = Field({}, description="Provenance and signature of the bundle, as labels of an image")

    @property
    def provenance(self) -> BundleProvenance:
        """What led to the bundle in it; empty where the labels do not say."""
        return from_labels(self.labels)[0] or BundleProvenance()

    @property
    def signature(self) -> BundleSignature | None:
        """The signature of the bundle in it; None where the labels do not hold it."""
        return from_labels(self.labels)[1]


class PackagedImage(PackagedBundle):
    """An image in the Docker engine of this machine. It is referred to by `id`: a later build may take over its tag."""

    kind: Literal["image"] = Field("image", description="Tells an image from a zip")
    image: str = Field(description="Its name in Docker")
    id: str = Field(description="Docker's id: the digest of its configuration or of its manifest")
    base: str = Field("", description="The base image, with the digest that it was built on")
    platform: str = Field(description="linux/amd64 or linux/arm64")
    size_bytes: int = Field(description="Size in the engine, uncompressed")
    max_size_bytes: int = Field(description="The limit, from the spec")
    layers: tuple[str, ...] = Field((), description="Digests of the layers")
    proof: ImageProof = Field(description="The checks that it passed")


class PackagedZip(PackagedBundle):
    """A zip for Lambda."""

    kind: Literal["zip"] = Field(description="Tells a zip from an image")
    file: str = Field(description="Path in the project")
    sha256: str = Field(description="Digest of the file, in hexadecimal")
    code_sha256: str = Field(description="The same in base64, as Lambda reports it")
    runtime: str = Field(description="Runtime of Lambda: `python3.12`")
    handler: str = Field(description="`MODULE.FUNCTION`")
    architecture: str = Field(description="x86_64 or arm64")
    size_bytes: int = Field(description="Size of the zip")
    unpacked_bytes: int = Field(description="Size of its content")
    max_size_bytes: int = Field(description="Limit of the unpacked size, from the spec")
    direct: bool = Field(description="Whether it is small enough for Lambda to accept it without S3")
    proof: ZipProof = Field(description="The checks that it passed")


def find_packaged(artifacts: Path) -> PackagedImage | PackagedZip | None:
    """What was packaged last; None where the file is missing or damaged."""
    return PackagedImage.find(artifacts) or PackagedZip.find(artifacts)
