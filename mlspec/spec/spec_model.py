"""The base of every spec model, and what a check may say of a Project.

Modules with models do without `from __future__ import annotations`: pydantic would compile every annotation from its
text again, and a build starts with hundreds of them.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from mlspec.source.document import Location


class SpecModel(BaseModel):
    """A section or a part of one: strict, closed and immutable. Every field has a description; the schema shows it."""

    READ_BY_STAGES: ClassVar[bool] = True
    """Of a section: whether a stage reads it. One that only decides what is generated is not in `conf/`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        populate_by_name=True,
        validate_default=False,
        allow_inf_nan=False,
        serialize_by_alias=True,
        protected_namespaces=(),
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: a code, where in the spec, a sentence, and the way on. The compiler gives it its place."""

    code: str
    at: Location
    message: str
    help: str = ""
    on: Literal["key", "value"] = "value"
    severity: Literal["error", "warning"] = "error"


def dotted(location: Location) -> str:
    """`("train", "steps", 0)` as a person writes it: `train.steps[0]`."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
