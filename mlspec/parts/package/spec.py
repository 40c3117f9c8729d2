"""Options of `package`: what the serving image is made of."""

from typing import Literal

from pydantic import Field

from mlspec.spec.base import SpecModel
from mlspec.spec.types import Size


class DockerImage(SpecModel):
    """Settings of the Dockerfile."""

    python: str = Field(
        "3.11", pattern=r"^3\.[0-9]{1,2}$", description="Python version in the image", examples=["3.11", "3.13"]
    )
    base: str = Field(
        "",
        pattern=r"^[a-z0-9]?[A-Za-z0-9._/:@-]*$",
        max_length=300,
        description="Base image; python:VERSION-slim-bookworm when left out. It must bring that Python and glibc",
        examples=["python:3.11-slim-bookworm@sha256:0123..."],
    )
    platform: Literal["linux/amd64", "linux/arm64"] = Field(
        "linux/amd64", description="What the image runs on; Lambda and its architecture follow it"
    )
    max_size: Size = Field("1GB", description="The image must not be larger, unpacked", examples=["500MB"])
    port: int = Field(8080, ge=1024, le=65535, description="Port that the server in the image listens on")
    user: int = Field(10001, ge=1, le=65534, description="Numeric user and group that it runs as, never root")
    max_body: Size = Field("6MB", description="Largest body of a request that the server accepts")
    labels: dict[str, str] = Field({}, description="More labels of the image, by name")


class Package(SpecModel):
    """The serving image that a bundle is put in."""

    docker: DockerImage = Field(default_factory=DockerImage, description="The image and its Dockerfile")
