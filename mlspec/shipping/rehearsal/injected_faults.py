"""Faults that are injected into the new version to test the automatic rollback: `error_rate=0.2`, `wrong=0.3`."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from mlspec.errors import UsageError

_KINDS: Final[Mapping[str, str]] = {
    "error_rate": "share of calls that fail, 0 to 1",
    "latency_ms": "milliseconds added to each call",
    "wrong": "share of predictions with a wrong label, 0 to 1",
    "crash": "number of calls after which the container is killed",
}


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of the new version."""

    error_rate: float = 0.0
    latency_ms: float = 0.0
    wrong: float = 0.0
    crash: float = 0.0

    def as_json(self) -> dict[str, float]:
        """The faults that are set."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def parse(cls, given: Iterable[str]) -> Faults:
        """The faults in arguments of the command line: `["error_rate=0.2"]`. Raises UsageError."""
        faults: dict[str, float] = {}
        for text in given:
            name, sign, value = text.partition("=")
            if name not in _KINDS:
                known = "; ".join(f"{kind}: {what}" for kind, what in _KINDS.items())
                raise UsageError(f"unknown fault: {name}", help=known)
            if not sign and name != "crash":
                raise UsageError(f"the fault {name} needs a number", help=f"{name}=N, the {_KINDS[name]}")
            try:
                faults[name] = float(value) if sign else 1.0
            except ValueError:
                raise UsageError(
                    f"the fault {name} needs a number, not `{value}`", help=f"{name}: {_KINDS[name]}"
                ) from None
            highest = 1.0 if name in ("error_rate", "wrong") else 1e6
            if not 0 <= faults[name] <= highest:
                message = f"the fault {name} must be between 0 and {highest:g}, not {value}"
                raise UsageError(message, help=f"{name}: {_KINDS[name]}")
        return cls(**faults)


def with_wrong_label(answer: object, dice: random.Random, share: float) -> object:
    """The answer, with that probability with another label, as from a badly trained model."""
    if isinstance(answer, list):
        return [with_wrong_label(row, dice, share) for row in answer]
    if not isinstance(answer, dict) or "probabilities" not in answer or dice.random() >= share:
        return answer
    others = [label for label in answer["probabilities"] if label != answer.get("label")]
    return {**answer, "label": dice.choice(others)} if others else answer
