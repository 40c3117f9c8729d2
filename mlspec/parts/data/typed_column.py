"""A converted column, with its failures, decisions and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from mlspec.parts.data.raw_rows import Failure
from mlspec.records.decisions import Decision


@dataclass(frozen=True, slots=True)
class Typed:
    """A column of the type in the spec, failures for values of other types, decisions, and warnings."""

    column: pa.Array
    failures: Sequence[Failure] = ()
    decisions: Sequence[Decision] = ()
    warnings: Sequence[str] = ()
    pixels: Sequence[bytes] = ()
    """For an image column: a digest of a sample of each image's pixels."""
