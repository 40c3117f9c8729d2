"""Faults that a person injects into the new version to see what a rollout does: `error_rate=0.2`, `wrong=0.3`."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from mlspec.errors import UsageError

_KINDS: Final[Mapping[str, str]] = {
    "error_rate": "share of calls that fail, 0 to 1",
    "latency_ms": "milliseconds that each call takes longer",
    "wrong": "share of answers with another label, 0 to 1",
    "crash": "number of calls after which the container is killed",
}


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong with the new version."""

    error_rate: float = 0.0
    latency_ms: float = 0.0
    wrong: float = 0.0
    crash: float = 0.0

    def as_json(self) -> dict[str, float]:
        """Those that are set."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def parse(cls, given: Iterable[str]) -> Faults:
        """`["error_rate=0.2"]` as the command line has them. Raises UsageError for what is no fault."""
        found: dict[str, float] = {}
        for text in given:
            name, sign, value = text.partition("=")
            if name not in _KINDS:
                known = "; ".join(f"{kind}: {what}" for kind, what in _KINDS.items())
                raise UsageError(f"there is no fault `{name}`", help=known)
            if not sign and name != "crash":
                raise UsageError(f"the fault `{name}` needs a number", help=f"{name}=N, the {_KINDS[name]}")
            try:
                found[name] = float(value) if sign else 1.0
            except ValueError:
                raise UsageError(f"`{value}` is no number", help=f"{name}: {_KINDS[name]}") from None
            highest = 1.0 if name in ("error_rate", "wrong") else 1e6
            if not 0 <= found[name] <= highest:
                raise UsageError(f"{name} lies between 0 and {highest:g}, not {value}", help=f"{name}: {_KINDS[name]}")
        return cls(**found)


def otherwise(answer: Any, dice: random.Random, share: float) -> Any:
    """The answer, or with that probability one with another label: what a model does that was trained wrongly."""
    if isinstance(answer, list):
        return [otherwise(row, dice, share) for row in answer]
    if not isinstance(answer, dict) or "probabilities" not in answer or dice.random() >= share:
        return answer
    others = [label for label in answer["probabilities"] if label != answer.get("label")]
    return {**answer, "label": dice.choice(others)} if others else answer
