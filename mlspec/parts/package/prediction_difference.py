"""How far two predictions lie apart. Imports nothing that runs a model: whoever deploys compares answers too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

TOLERANCE: Final = 1e-3
"""How far a probability may be off, and a value relative to its size: another ONNX Runtime rounds otherwise."""
Answer = Mapping[str, Any]


def difference(here: Answer, there: Any) -> float:
    """How far two predictions lie apart: the largest gap of probabilities, or that of values relative to their size.

    Infinite where they are not of one kind, or where one holds what is no finite number.
    """
    try:
        if "value" in here:
            gaps = [abs(float(here["value"]) - float(there["value"])) / max(1.0, abs(float(here["value"])))]
        elif set(here["probabilities"]) == set(there["probabilities"]):
            gaps = [abs(float(p) - float(there["probabilities"][label])) for label, p in here["probabilities"].items()]
        else:
            return math.inf
    except (KeyError, TypeError, ValueError):
        return math.inf
    return max(gaps) if all(map(math.isfinite, gaps)) else math.inf
