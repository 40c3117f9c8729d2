"""The types of the arrays that detectors exchange."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Booleans: TypeAlias = npt.NDArray[np.bool_]

JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | dict[str, JsonValue] | None"
"""What a state is as JSON."""
