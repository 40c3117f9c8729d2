"""A converted column, with what was decided about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from mlspec.parts.data.raw_rows import Failure
from mlspec.records.decisions import Decision


@dataclass(frozen=True, slots=True)
class Typed:
    """A column of the type that the spec says, the values that have no such type, and what was decided."""

    column: pa.Array
    failures: Sequence[Failure] = ()
    decisions: Sequence[Decision] = ()
    doubts: Sequence[str] = ()
    pixels: Sequence[bytes] = ()
    """For a column of images: a sample of each one's pixels."""
