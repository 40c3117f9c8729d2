"""What drift of the inputs and the measured quality together say, in one word."""

from __future__ import annotations

from typing import Literal, TypeAlias

Cause: TypeAlias = Literal[
    "unchanged", "benign drift", "harmful drift", "concept drift", "harmful", "unknown", "not compared"
]
