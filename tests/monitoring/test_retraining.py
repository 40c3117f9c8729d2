"""When an alarm leads to a training, and when not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from mlspec.errors import StageError
from mlspec.monitoring.quality.betting_interval import BettingInterval
from mlspec.monitoring.quality.compare_versions import PairedComparison
from mlspec.monitoring.retraining import (
    Retraining,
    RetrainingHistory,
    Verdict,
    allowed_error,
    decide,
    read_history,
    write_history,
)
from mlspec.sections.monitor_retrain import Retrain

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
POLICY = Retrain(min_rows=100, cooldown="1d", per_week=2)


def history(*ago: float, verdict: Verdict = "released") -> RetrainingHistory:
    """Trainings that began that many days ago."""
    return RetrainingHistory(
        retrainings=tuple(
            Retraining(started=NOW - timedelta(days=days), verdict=verdict, rows=10, cause="age moved") for days in ago
        )
    )


@pytest.mark.parametrize(
    ("past", "alarms", "labelled", "train", "reason"),
    [
        (history(), ["age moved"], 100, True, "age moved"),
        (history(), [], 100, False, "no alarm calls for a new model"),
        (history(), ["age moved"], 99, False, "99 new labelled predictions, 100 are needed"),
        (history(0.5), ["age moved"], 100, False, "the last training was at 2026-11-27 00:00 UTC"),
        (history(1.1), ["age moved"], 100, True, "age moved"),
        (history(6, 2), ["age moved"], 100, False, "2 trainings in 7 days is the limit"),
        (history(8, 2), ["age moved"], 100, True, "age moved"),
        (history(3, verdict="waiting"), ["age moved"], 100, False, "waits for approval"),
        (history(-1), ["age moved"], 100, False, "the last training was at 2026-11-28 12:00 UTC"),
    ],
    ids=["alarm", "calm", "few rows", "cool-down", "after it", "weekly limit", "old ones", "approval", "clock back"],
)
def test_the_decision_and_its_reason(
    past: RetrainingHistory, alarms: list[str], labelled: int, train: bool, reason: str
) -> None:
    decision = decide(POLICY, past, alarms, labelled, NOW)
    assert decision.train is train
    assert reason in decision.reason


def test_all_comparisons_together_are_wrong_no_more_often_than_declared() -> None:
    """The sum bounds the probability that any of them is wrong, also if they share rows (Boole's inequality)."""
    errors = [allowed_error(0.95, attempt) for attempt in range(1, 1001)]
    assert sum(errors) == pytest.approx(0.05 * (1 - 1 / 1001))
    assert errors[0] == pytest.approx(0.025)


def test_models_that_are_not_better_are_rarely_released_in_40_attempts() -> None:
    """Forty challengers of one champion, all as good as it, on 40 rows each that differ: 200 times."""
    draws, released = np.random.default_rng(0), 0
    for _ in range(200):
        for attempt in range(1, 41):
            comparison = PairedComparison(BettingInterval(allowed_error(0.6, attempt)))
            comparison.update(*(draws.random((2, 40)) < 0.5).astype(np.float64))
            if comparison.result().verdict == "better":
                released += 1
                break
    assert released <= 0.4 * 200


def test_the_number_of_the_attempt_counts_what_was_compared_since_the_last_release() -> None:
    assert history().attempt == 1
    assert history(3, 2, 1, verdict="lost").attempt == 4
    assert history(3, 2, verdict="failed").attempt == 1
    killed = history(1).retrainings[0].model_copy(update={"verdict": "failed", "compared": True})
    assert history(3, 2, verdict="undecided").with_new(killed).attempt == 4
    assert history(3, 2, verdict="lost").with_new(history(1).retrainings[0]).attempt == 1


def test_the_history_survives_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "state" / "retraining.json"
    assert read_history(path) == RetrainingHistory()
    write_history(path, history(2, 1))
    assert read_history(path) == history(2, 1)


def test_a_damaged_history_is_an_error_since_the_limits_would_be_lost(tmp_path: Path) -> None:
    path = tmp_path / "retraining.json"
    path.write_text("{}}", encoding="utf-8")
    with pytest.raises(StageError, match="cannot read") as caught:
        read_history(path)
    assert str(path) in caught.value.help
