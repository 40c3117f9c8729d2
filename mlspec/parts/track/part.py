"""The track part: options that the train stage reads."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.parts.part_protocol import no_artifacts as artifacts
from mlspec.parts.part_protocol import no_check as check
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.sections.track import TrackSpec

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "stages"]

NAME = "track"
SECTIONS = {"track": TrackSpec}
PROGRAMS: Mapping[str, str] = {}
