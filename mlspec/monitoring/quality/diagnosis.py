"""Moved, harmful, unknown: what drift of the inputs and the measured loss together say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlspec.monitoring.drift.drift_alarm import Alarm, column_title
from mlspec.monitoring.quality.cause import Cause
from mlspec.monitoring.quality.estimated_quality import Estimate
from mlspec.monitoring.quality.risk_alarm import Risk

PREDICTIONS = ("score", "label", "value")
"""Columns of what the model answers, not of its inputs."""
_TITLES: dict[Cause, str] = {
    "unchanged": "unchanged",
    "benign drift": "moved, not harmful",
    "harmful drift": "moved and harmful",
    "concept drift": "harmful, and the inputs have not moved (concept drift)",
    "harmful": "harmful, unknown whether the inputs have moved",
    "unknown": "moved, unknown whether it is harmful",
    "not compared": "unknown whether the inputs have moved",
}
_HELP: dict[Cause, str] = {
    "unchanged": "",
    "benign drift": "",
    "harmful drift": "train on the new labels: `mlspec monitor retrain`; or go back: `mlspec rollback`",
    "concept drift": "train on the new labels: `mlspec monitor retrain`",
    "harmful": "train on the new labels: `mlspec monitor retrain`; or go back: `mlspec rollback`",
    "unknown": "add labels to see what the change costs: `mlspec labels add FILE`",
    "not compared": "",
}


@dataclass(frozen=True)
class Diagnosis:
    """What has happened, in one word and in sentences."""

    cause: Cause
    sentences: tuple[str, ...]
    labelled: bool = False
    """Whether some rows have labels."""

    @property
    def title(self) -> str:
        """The cause in words for readers."""
        return _TITLES[self.cause]

    @property
    def help(self) -> str:
        """What to do about it; empty if nothing has to be done."""
        if self.cause == "unknown" and self.labelled:
            return "add labels of more predictions since the change: `mlspec labels add FILE`"
        return _HELP[self.cause]

    @property
    def alarm(self) -> bool:
        """Whether it needs an action: benign drift is only noted."""
        return self.cause in ("harmful drift", "concept drift", "harmful", "unknown")


def diagnose(
    alarms: Sequence[Alarm], risk: Risk | None, estimate: Estimate | None = None, *, uncompared: str = ""
) -> Diagnosis:
    """From the open alarms, the loss of labelled rows (None: no labels) and what is expected without labels.

    `uncompared`: why the inputs are compared with nothing, so that they may have moved.
    """
    moved = [a for a in alarms if a.column not in PREDICTIONS]
    names = ", ".join(dict.fromkeys(column_title(a.column) for a in moved))
    unmoved = f"unknown whether the inputs have moved: {uncompared}" if uncompared else "the inputs have not moved"
    inputs = f"moved: {names}" if moved else unmoved
    predicted = ", ".join(dict.fromkeys(column_title(a.column) for a in alarms if a.column in PREDICTIONS))
    if predicted:
        inputs = f"{inputs}; of the predictions: {predicted}"
    measured = (risk.words(),) if risk else ("unknown whether it is harmful: no labels",)
    guess = (estimate.words(),) if estimate and (risk is None or risk.state == "unknown") else ()
    state = risk.state if risk else "unknown"
    quiet: Cause = "not compared" if uncompared else "unchanged"
    match state:
        case "harmful" if moved:
            return Diagnosis("harmful drift", (inputs, *measured))
        case "harmful" if uncompared:
            return Diagnosis("harmful", (inputs, *measured))
        case "harmful":
            why = "concept drift: the same inputs have other labels than in training; retrain with new labels"
            return Diagnosis("concept drift", (inputs, *measured, why))
        case "within the tolerance":
            return Diagnosis("benign drift" if alarms else quiet, (inputs, *measured))
        case _:
            return Diagnosis("unknown" if alarms else quiet, (inputs, *measured, *guess), risk is not None)
