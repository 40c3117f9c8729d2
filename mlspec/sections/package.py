"""Options of `package`: the serving image, or a zip file for Lambda instead of it."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Size, one_line


def _label_name(name: str) -> str:
    if not name.strip():
        raise PydanticCustomError("bad-format", "an image label needs a name", {"help": "for example `team`"})
    return one_line(name)


class DockerImage(SpecModel):
    """Settings of the Dockerfile."""

    UNREAD_KEYS: ClassVar[frozenset[str]] = frozenset({"python", "base", "user", "max_body", "labels"})

    python: str = Field(
        "3.11", pattern=r"^3\.[0-9]{1,2}$", description="Python version in the image", examples=["3.11", "3.13"]
    )
    base: str = Field(
        "",
        pattern=r"^[a-z0-9]?[A-Za-z0-9._/:@-]*$",
        max_length=300,
        description="Base image with that Python version and glibc; default: python:VERSION-slim-bookworm. "
        "A base image without a digest is pinned in Dockerfile.lock by `mlspec lock` or the first build",
        examples=["python:3.11-slim-bookworm@sha256:0123..."],
    )
    platform: Literal["linux/amd64", "linux/arm64"] = Field(
        "linux/amd64", description="Platform of the image; also sets the architecture of the Lambda function"
    )
    max_size: Size = Field("1GB", description="Largest uncompressed size of the image", examples=["500MB"])
    port: int = Field(8080, ge=1024, le=65535, description="Port that the server listens on")
    user: int = Field(10001, ge=1, le=65534, description="User and group ID that the server runs as, not root")
    max_body: Size = Field("6MB", description="Largest accepted request body")
    labels: dict[Annotated[str, AfterValidator(_label_name)], Annotated[str, AfterValidator(one_line)]] = Field(
        {}, description="Additional image labels by name; each value is one line", examples=[{"team": "speech"}]
    )


class LambdaZip(SpecModel):
    """Settings of a zip file for AWS Lambda, built and tested without Docker."""

    python: str = Field(
        "3.12",
        pattern=r"^3\.[0-9]{1,2}$",
        description="Python version of the Lambda runtime",
        examples=["3.12", "3.13"],
    )
    architecture: Literal["x86_64", "arm64"] = Field("x86_64", description="Instruction set of the function")
    max_size: Size = Field(
        "250MiB", description="Largest unpacked size of the zip; Lambda's limit is 250 MiB", examples=["150MB"]
    )
    bucket: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="Your S3 bucket in the function's region; a zip over 50 MiB is uploaded through it",
        examples=["my-team-artifacts"],
    )


class Package(SpecModel):
    """The serving image of the bundle, or a zip file for Lambda instead."""

    UNREAD_KEYS: ClassVar[frozenset[str]] = frozenset({"requirements"})

    docker: DockerImage = Field(default_factory=DockerImage, description="The image and its Dockerfile")
    requirements: dict[
        Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,99}$")],
        Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.+!-]{0,49}$")],
    ] = Field(
        {},
        description="Packages, each with its exact version, that `model.preprocess.class` imports in serving. They "
        "are installed as wheels without dependencies: list their dependencies too",
        examples=[{"scipy": "1.17.0"}],
    )
    zip: LambdaZip | None = Field(None, description="A zip file for Lambda instead of an image, built without Docker")

    def unread_keys(self) -> frozenset[str]:
        """With a zip also the settings of the image."""
        return self.UNREAD_KEYS | ({"docker"} if self.zip is not None else set())

    @property
    def architecture(self) -> Literal["x86_64", "arm64"]:
        """The instruction set, as Lambda names it."""
        if self.zip is not None:
            return self.zip.architecture
        return "arm64" if self.docker.platform == "linux/arm64" else "x86_64"
