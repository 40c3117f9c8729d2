"""All parts, in the order of the line. To add one: its folder, and one line here."""

from __future__ import annotations

from mlspec.parts.data import part as data
from mlspec.parts.protocol import Part

PARTS: tuple[Part, ...] = (data,)
