"""When to train again: the decision, from the policy, the history and the present. Pure but for the history file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.errors import StageError
from mlspec.job import write_text
from mlspec.sections.monitor_retrain import Retrain
from mlspec.spec.types import duration_seconds

Verdict = Literal["released", "approved", "waiting", "lost", "undecided", "failed", "running"]
"""`waiting`: the new model won, and a person has to approve. `running`: not finished, or killed."""
ENDED: Final = ("released", "approved", "lost", "undecided", "failed")


class Retraining(BaseModel):
    """One training that an alarm or a person started."""

    model_config = ConfigDict(frozen=True)

    started: datetime
    verdict: Verdict
    rows: int
    """Labelled predictions that were new to it."""
    cause: str
    detail: str = ""


class RetrainingHistory(BaseModel):
    """All trainings, the oldest first."""

    model_config = ConfigDict(frozen=True)

    retrainings: tuple[Retraining, ...] = ()

    @property
    def last(self) -> Retraining | None:
        """The newest one."""
        return self.retrainings[-1] if self.retrainings else None

    def with_last(self, retraining: Retraining) -> RetrainingHistory:
        """The history with `retraining` in place of the last one."""
        return RetrainingHistory(retrainings=(*self.retrainings[:-1], retraining))

    def with_new(self, retraining: Retraining) -> RetrainingHistory:
        """The history with one more."""
        return RetrainingHistory(retrainings=(*self.retrainings, retraining))


def read_history(path: Path) -> RetrainingHistory:
    """The history in that file; empty where there is none. Raises StageError for a damaged one."""
    try:
        return RetrainingHistory.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return RetrainingHistory()
    except (OSError, ValidationError) as error:
        # An empty history would forget the limits on how often to train.
        help = f"restore it, or remove it to forget earlier trainings: rm {path}"
        raise StageError(f"cannot read {path}: {error}", help=help) from None


def write_history(path: Path, history: RetrainingHistory) -> None:
    """Replace the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, history.model_dump_json(indent=1) + "\n")


@dataclass(frozen=True, slots=True)
class RetrainDecision:
    """Whether to train now, why, and what a person can do about a no."""

    train: bool
    reason: str
    help: str = ""


def decide(
    policy: Retrain, history: RetrainingHistory, alarms: Sequence[str], labelled: int, now: datetime
) -> RetrainDecision:
    """Whether to train now.

    `alarms` are the titles of those that call for a new model; `labelled` counts the labelled predictions that no
    training has used. A clock that was set back never shortens a pause.
    """
    last = history.last
    if last is not None and last.verdict == "waiting":
        help = "release it or keep the current model: mlspec monitor approve, or mlspec monitor approve --reject"
        return RetrainDecision(False, f"the model trained at {_moment(last.started)} waits for approval", help)
    if not alarms:
        return RetrainDecision(False, "no alarm calls for a new model", "to train anyway: mlspec monitor retrain --now")
    if labelled < policy.min_rows:
        reason = f"{labelled} new labelled predictions, {policy.min_rows} are needed"
        return RetrainDecision(False, reason, "add labels: mlspec labels add FILE")
    if last is not None and now < (free := last.started + timedelta(seconds=duration_seconds(policy.cooldown))):
        return RetrainDecision(False, f"the last training was at {_moment(last.started)}; next at {_moment(free)}")
    week = [r for r in history.retrainings if r.started > now - timedelta(days=7)]
    if len(week) >= policy.per_week:
        reason = f"{len(week)} trainings in 7 days is the limit, and the alarm still fires"
        help = (
            "new data alone does not help: examine the alarm, then change the model or raise monitor.retrain.per_week"
        )
        return RetrainDecision(False, reason, help)
    return RetrainDecision(True, "; ".join(alarms))


def _moment(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")
