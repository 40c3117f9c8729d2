"""The Project: a validated, completed, immutable spec, and the sections that no part owns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, Field

from mlspec.source.document import Plain
from mlspec.source.project_context import ProjectContext
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Name

S = TypeVar("S", bound=BaseModel)


class ProjectInfo(SpecModel):
    """What the project is called and what it is for."""

    name: Name = Field(description="Name of the project; images, functions and indices are named after it")
    description: str = Field(
        "",
        description="One sentence for people. In the image's label its line breaks are spaces; the description of a "
        "Lambda function is its first 256 characters",
        max_length=500,
    )
    authors: list[str] = Field([], description="Who to ask", examples=[["Ada <ada@example.org>"]])
    license: str = Field("", description="SPDX identifier of the project's licence", examples=["MIT"])


@dataclass(frozen=True)
class Project:
    """A spec that holds together.

    `sections` has every section that the spec names, completed with its defaults, under its key; `values` is the same
    as plain data, the way it goes into generated files.
    """

    sections: Mapping[str, BaseModel]
    surroundings: ProjectContext
    environment: str | None = None
    values: Mapping[str, Plain] = field(default_factory=dict)
    given: Mapping[str, Plain] = field(default_factory=dict)
    """The values as the user gave them, references replaced, before defaults."""
    base: Mapping[str, Plain] = field(default_factory=dict)
    """The same with no environment chosen, as the file has them: references stand for themselves."""
    variants: Mapping[str, Mapping[str, Plain]] = field(default_factory=dict)
    """The same for each environment of the spec, whichever is chosen, and under "" with none. Not validated."""

    @property
    def info(self) -> ProjectInfo:
        """The `project` section."""
        return self.need(ProjectInfo)

    def get(self, section: type[S]) -> S | None:
        """The section of that model, or None where the spec does not name it."""
        return next((s for s in self.sections.values() if isinstance(s, section)), None)

    def need(self, section: type[S]) -> S:
        """The section of that model; KeyError where the spec does not name it."""
        found = self.get(section)
        if found is None:
            raise KeyError(section.__name__)
        return found
