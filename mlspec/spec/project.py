"""The Project: a validated, immutable spec with all defaults, and the section that no part owns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeVar

from pydantic import BaseModel, Field

from mlspec.source.document import Plain
from mlspec.source.project_context import ProjectContext
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Name

S = TypeVar("S", bound=BaseModel)


class SectionLookup(Protocol):
    """Where sections come from: the Project, or a stage's Job."""

    def get(self, section: type[S]) -> S | None: ...  # noqa: D102

    def need(self, section: type[S]) -> S: ...  # noqa: D102


class ProjectInfo(SpecModel):
    """Name and metadata of the project."""

    UNREAD_KEYS: ClassVar[frozenset[str]] = frozenset({"authors", "license"})

    name: Name = Field(description="Name of the project; the default name of images, functions and indices")
    description: str = Field(
        "",
        description="Description of the project, also in the image's label (on one line) and in the Lambda function "
        "(the first 256 characters)",
        max_length=500,
    )
    authors: list[str] = Field([], description="Authors", examples=[["Ada <ada@example.org>"]])
    license: str = Field("", description="SPDX identifier of the project's licence", examples=["MIT"])


@dataclass(frozen=True)
class Project:
    """A valid spec.

    `sections` has the sections of the spec with their defaults, by key; `values` is the same as plain data, for
    generated files.
    """

    sections: Mapping[str, BaseModel]
    surroundings: ProjectContext
    environment: str | None = None
    values: Mapping[str, Plain] = field(default_factory=dict)
    given: Mapping[str, Plain] = field(default_factory=dict)
    """The values of the file without defaults, with references replaced."""
    base: Mapping[str, Plain] = field(default_factory=dict)
    """The values of the file without an environment, with references as written."""
    variants: Mapping[str, Mapping[str, Plain]] = field(default_factory=dict)
    """The values for each environment of the spec, and with the key "" without one. Not validated."""

    @property
    def info(self) -> ProjectInfo:
        """The `project` section."""
        return self.need(ProjectInfo)

    def get(self, section: type[S]) -> S | None:
        """The section of that model, or None if the spec does not have it."""
        return next((s for s in self.sections.values() if isinstance(s, section)), None)

    def need(self, section: type[S]) -> S:
        """The section of that model. Raises KeyError if the spec does not have it."""
        value = self.get(section)
        if value is None:
            raise KeyError(section.__name__)
        return value
