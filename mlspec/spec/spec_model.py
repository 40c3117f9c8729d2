"""The base of every spec model.

Modules with models do not use `from __future__ import annotations`: pydantic would have to evaluate hundreds of
annotations from their text at every start.
"""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from mlspec.diagnostics import Location


class SpecModel(BaseModel):
    """A section or a part of one: strict, closed and immutable. Every field has a description for the schema."""

    READ_BY_STAGES: ClassVar[bool] = True
    """Of a section: whether a stage reads it. One that only decides what is generated is not in `conf/`."""

    UNREAD_KEYS: ClassVar[frozenset[str]] = frozenset()
    """The keys that no stage reads: they only decide what is generated. They are not in `conf/`, and neither is a
    section that has no others."""

    REMOVED_KEYS: ClassVar[Mapping[str, str]] = {}
    """Keys of earlier versions, and what to do instead."""

    def unread_keys(self) -> frozenset[str]:
        """The keys that no stage reads beside the values of the others, such as the options of a tool not chosen."""
        return self.UNREAD_KEYS

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        populate_by_name=True,
        validate_default=False,
        allow_inf_nan=False,
        serialize_by_alias=True,
        protected_namespaces=(),
        defer_build=True,
    )


def dotted(location: Location) -> str:
    """`("train", "steps", 0)` as text: `train.steps[0]`."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
