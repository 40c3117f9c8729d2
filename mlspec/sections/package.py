"""Options of `package`: what the serving image is made of, or the zip that takes its place."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Size, one_line


def _label_name(name: str) -> str:
    if not name.strip():
        raise PydanticCustomError("bad-format", "a label of an image has a name", {"help": "for example `team`"})
    return one_line(name)


class DockerImage(SpecModel):
    """Settings of the Dockerfile."""

    python: str = Field(
        "3.11", pattern=r"^3\.[0-9]{1,2}$", description="Python version in the image", examples=["3.11", "3.13"]
    )
    base: str = Field(
        "",
        pattern=r"^[a-z0-9]?[A-Za-z0-9._/:@-]*$",
        max_length=300,
        description="Base image; python:VERSION-slim-bookworm when left out. It must bring that Python and glibc. "
        "Without a digest it is held to the one it had at the first build, which Dockerfile.lock keeps",
        examples=["python:3.11-slim-bookworm@sha256:0123..."],
    )
    platform: Literal["linux/amd64", "linux/arm64"] = Field(
        "linux/amd64", description="What the image runs on; Lambda and its architecture follow it"
    )
    max_size: Size = Field("1GB", description="The image must not be larger, unpacked", examples=["500MB"])
    port: int = Field(8080, ge=1024, le=65535, description="Port that the server in the image listens on")
    user: int = Field(10001, ge=1, le=65534, description="Numeric user and group that it runs as, never root")
    max_body: Size = Field("6MB", description="Largest body of a request that the server accepts")
    labels: dict[Annotated[str, AfterValidator(_label_name)], Annotated[str, AfterValidator(one_line)]] = Field(
        {}, description="More labels of the image, by name; each is one line", examples=[{"team": "speech"}]
    )


class LambdaZip(SpecModel):
    """Settings of a zip file for AWS Lambda, made and tried without Docker."""

    python: str = Field(
        "3.12", pattern=r"^3\.[0-9]{1,2}$", description="Python version of Lambda's runtime", examples=["3.12", "3.13"]
    )
    architecture: Literal["x86_64", "arm64"] = Field("x86_64", description="Processor of the function")
    max_size: Size = Field(
        "250MiB", description="The zip must not be larger, unpacked; Lambda takes 250 MiB", examples=["150MB"]
    )
    bucket: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="S3 bucket of yours, in the function's region, by way of which a zip over 50 MiB goes to Lambda",
        examples=["my-team-artifacts"],
    )


class Package(SpecModel):
    """The serving image that a bundle is put in, or a zip file for Lambda instead."""

    docker: DockerImage = Field(default_factory=DockerImage, description="The image and its Dockerfile")
    requirements: dict[
        Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,99}$")],
        Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.+!-]{0,49}$")],
    ] = Field(
        {},
        description="Packages, each with its release, that the code of `model.preprocess.class` imports in serving: "
        "installed as wheels beside mlspec's own, without what they depend on, which is listed here too",
        examples=[{"scipy": "1.17.0"}],
    )
    zip: LambdaZip | None = Field(None, description="A zip file for Lambda in place of an image, with no Docker at all")

    @property
    def architecture(self) -> Literal["x86_64", "arm64"]:
        """The processor, by Lambda's name for it."""
        if self.zip is not None:
            return self.zip.architecture
        return "arm64" if self.docker.platform == "linux/arm64" else "x86_64"
