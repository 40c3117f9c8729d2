"""When to train again: the decision, from the policy, the history and the present. Pure but for the history file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.errors import StageError
from mlspec.job import write_text
from mlspec.sections.monitor_retrain import Retrain
from mlspec.spec.types import duration_seconds

Verdict = Literal["released", "approved", "waiting", "lost", "undecided", "failed", "running"]
"""`waiting`: the new model won, and a person has to approve. `running`: not finished, or killed."""
_RELEASED: Final = ("released", "approved")
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)


class Retraining(BaseModel):
    """One training that an alarm or a person started."""

    model_config = ConfigDict(frozen=True)

    started: datetime
    verdict: Verdict
    rows: int
    """Labelled predictions on which no earlier training was judged."""
    cause: str
    labels_until: datetime | None = None
    """When the newest of their labels was added; None in histories of earlier versions."""
    file: str = ""
    """The file of collected rows, relative to the project."""
    detail: str = ""
    compared: bool = False
    """Whether the comparison began."""
    bundle: str = ""
    """Digest of the new model that waits for approval; empty in histories of earlier versions."""
    unrestored: bool = False
    """Whether the project may still have the new model instead of the current one: it was interrupted."""

    @property
    def until(self) -> datetime:
        """The labels that were added up to this time were known to it."""
        return self.labels_until or self.started

    @property
    def judged(self) -> bool:
        """Whether the comparison led to a decision that stands: its rows compare no models again.

        A model whose release failed is trained and compared again on the same rows.
        """
        return self.verdict not in ("failed", "running")


class RetrainingHistory(BaseModel):
    """All trainings, the oldest first."""

    model_config = ConfigDict(frozen=True)

    retrainings: tuple[Retraining, ...] = ()

    @property
    def last(self) -> Retraining | None:
        """The newest one."""
        return self.retrainings[-1] if self.retrainings else None

    @property
    def used_until(self) -> datetime:
        """Labels that were added up to this time belong to predictions that a released model was trained on."""
        return max((r.until for r in self.retrainings if r.verdict in _RELEASED), default=_FIRST)

    @property
    def judged_until(self) -> datetime:
        """Labels that were added up to this time have decided about an earlier model, or could have."""
        return max((r.until for r in self.retrainings if r.judged), default=_FIRST)

    @property
    def attempt(self) -> int:
        """The number of the next comparison with the current model, from 1."""
        released = [at for at, r in enumerate(self.retrainings, 1) if r.verdict in _RELEASED]
        return 1 + sum(r.compared or r.judged for r in self.retrainings[max(released, default=0) :])

    @property
    def without_last(self) -> RetrainingHistory:
        """The history before the last one."""
        return RetrainingHistory(retrainings=self.retrainings[:-1])

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

    `alarms` are the titles of those that call for a new model; `labelled` counts the labelled predictions on which no
    earlier model was judged. A clock that was set back never shortens a pause.
    """
    last = history.last
    if last is not None and last.verdict == "waiting":
        help = "release it or keep the current model: mlspec monitor approve, or mlspec monitor approve --reject"
        return RetrainDecision(False, f"the model trained at {_moment(last.started)} waits for approval", help)
    if not alarms:
        return RetrainDecision(False, "no alarm calls for a new model", "to train anyway: mlspec monitor retrain --now")
    if labelled < policy.min_rows:
        reason = f"{labelled} new labelled predictions, {policy.min_rows} are needed"
        if history.judged_until > _FIRST:
            reason += " (those that have compared models before do not count)"
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


def allowed_error(confidence: float, attempt: int) -> float:
    """The probability with which this comparison with the current model may be wrong.

    1 / (1 * 2) + 1 / (2 * 3) + ... is 1, so all of them together are wrong with at most 1 - `confidence`, however many
    there are and whether or not they share rows.
    """
    return (1 - confidence) / (attempt * (attempt + 1))


def _moment(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")
