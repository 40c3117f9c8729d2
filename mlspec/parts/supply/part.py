"""The supply part: known-bad releases, and how packages are locked."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from mlspec.parts.part_protocol import no_artifacts as artifacts
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.parts.supply.known_bad_checks import check
from mlspec.sections.lock import LockSpec

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "stages"]

NAME: Final = "supply"
SECTIONS: Final[dict[str, type[BaseModel]]] = {"lock": LockSpec}
PROGRAMS: Final[dict[str, str]] = {}
