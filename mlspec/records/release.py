"""The last release that was made on this machine: written by `push`, completed by `deploy`.

Releases of other machines are read from the target: the labels of the images and the history of the function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, JsonValue

from mlspec.records.bundle_provenance import BundleProvenance
from mlspec.records.record_file import OPTIONAL, Finite, Record, Value


class PushedImage(Value):
    """An image in a registry, as the registry describes it."""

    repository: str = Field(description="`HOST/NAME`")
    tag: str = Field(description="Commit, bundle and content; never moved to another content")
    digest: str = Field(description="Of its manifest: `sha256:…`")
    uri: str = Field(description="`HOST/NAME@DIGEST`")
    size_bytes: int = Field(description="Size of a pull, compressed")


class DeployedFunction(Value):
    """A function that serves the release."""

    name: str = Field(description="Name of the function")
    version: str = Field(description="The version that the alias points to")
    alias: str = Field(description="Name of the alias")
    url: str | None = Field(None, description="Endpoint of the alias; null where it has none")


class RolloutEvent(Value):
    """One step of a rollout, as in the history of the function."""

    kind: str = Field(description="started, step, promoted, returned or rollback")
    version: str = Field(description="The version that is rolled out")
    time: Finite = Field(0.0, description="Seconds since 1970")
    before: str | None = Field(None, description="The version that was live", json_schema_extra=OPTIONAL)
    percent: Finite | None = Field(None, description="Share of the traffic", json_schema_extra=OPTIONAL)
    why: str = Field("", description="Reason of the step", json_schema_extra=OPTIONAL)
    numbers: Mapping[str, JsonValue] = Field({}, description="What was measured", json_schema_extra=OPTIONAL)


class Release(Record):
    """A bundle, the image that was pushed for it, and the function that serves it."""

    FILE: ClassVar[str] = "release.json"
    STAGE: ClassVar[str] = "push"

    release: BundleProvenance = Field(BundleProvenance(), description="What led to the bundle")
    image: PushedImage | None = Field(None, description="null for a zip, which is in no registry")
    function: DeployedFunction | None = Field(None, description="null before the first deployment")
    rollout: tuple[RolloutEvent, ...] = Field(
        (), description="Events of the version that was rolled out last", json_schema_extra=OPTIONAL
    )


class RehearsedRelease(Release):
    """The same of a rehearsal (`--target local`): a file of its own, since nothing was released."""

    FILE: ClassVar[str] = "release.local.json"
