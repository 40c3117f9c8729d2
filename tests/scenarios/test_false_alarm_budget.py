"""Each kind of alarm with a budget, evaluated a thousand times while nothing changes."""

from __future__ import annotations

import numpy as np
import pytest

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.budget import Budget
from mlspec.monitoring.drift.column_reference import ColumnReference
from mlspec.monitoring.drift.drift_alarm import RowGroup
from mlspec.monitoring.drift.drift_monitor import DriftMonitor
from mlspec.monitoring.drift.live_rows import LiveRows
from mlspec.monitoring.drift.streams import Streams
from mlspec.monitoring.quality.risk_alarm import RiskMonitor

EVALUATIONS, ROWS = 1000, 20
BUDGET = Budget.of(1, 10, 200)
"""One false alarm in 2,000 rows: the evaluations of a test may have ten."""
ALLOWED = EVALUATIONS * ROWS / BUDGET.rows
TOWNS = np.array(["Bonn", "Trier", "Rom"])


def row_block(draws: np.random.Generator, rows: int) -> tuple[dict[str, Floats], dict[str, list[str | None]]]:
    """A number that is often missing, a skewed one, one that follows the one before, scores, and a category."""
    age = np.where(draws.random(rows) < 0.1, np.nan, draws.normal(size=rows))
    noise = draws.normal(size=rows + 1)
    numbers = {"age": age, "price": draws.lognormal(size=rows), "walk": noise[1:] + noise[:-1] / 2,
               "score": draws.beta(8, 2, rows)}  # fmt: skip
    towns = draws.choice(TOWNS, rows, p=[0.7, 0.25, 0.05]).tolist()
    return numbers, {"town": [town if draws.random() > 0.02 else None for town in towns]}


def drift_monitor(draws: np.random.Generator) -> DriftMonitor:
    numbers, categories = row_block(draws, 5000)
    columns = [ColumnReference.of_numbers(name, values) for name, values in numbers.items()]
    columns += [ColumnReference.of_categories(name, values) for name, values in categories.items()]
    return DriftMonitor({"": Streams(tuple(columns), 0.015)}, BUDGET)


@pytest.mark.parametrize("seed", range(3))
def test_false_alarms_of_inputs_and_scores_stay_within_the_budget(seed: int) -> None:
    draws = np.random.default_rng(seed)
    watched = drift_monitor(draws)
    raised: set[tuple[int, int]] = set()
    for evaluation in range(EVALUATIONS):
        first = evaluation * ROWS
        times = np.arange(first, first + ROWS, dtype=np.float64)
        watched.update(RowGroup("7"), LiveRows([str(t) for t in times], times, *row_block(draws, ROWS)))
        # Also evidence that only continues an open alarm counts: the detector begins anew after each.
        raised |= {(column, alarm.last.row) for column, alarm in watched.groups[RowGroup("7")].open.items()}
    assert len(raised) <= ALLOWED


@pytest.mark.parametrize("rate", [0.02, 0.2])
def test_false_alarms_of_quality_stay_within_the_budget(rate: float) -> None:
    """Without any tolerance, and begun anew after each alarm."""
    draws = np.random.default_rng(5)
    source = (draws.random(3000) < rate).astype(np.float64)
    watched, raised = RiskMonitor.of(source, 0.0, BUDGET.rows), 0
    for _ in range(EVALUATIONS):
        watched.update((draws.random(ROWS) < rate).astype(np.float64))
        if watched.alarm_row is not None:
            watched, raised = RiskMonitor.of(source, 0.0, BUDGET.rows), raised + 1
    assert raised <= ALLOWED


def test_a_change_is_found_with_the_same_settings() -> None:
    """The budget is not kept by silence: each column and the labels raise an alarm soon."""
    draws = np.random.default_rng(0)
    watched = drift_monitor(draws)
    numbers, categories = row_block(draws, 1500)
    numbers = {name: values + np.nanstd(values) for name, values in numbers.items()}
    times = np.arange(1500.0)
    watched.update(RowGroup("7"), LiveRows([str(t) for t in times], times, numbers, {"town": ["Rom"] * 1500}))
    assert {alarm.column for alarm in watched.alarms()} == {*numbers, *categories}
    harmed = RiskMonitor.of((draws.random(3000) < 0.1).astype(np.float64), 0.02, BUDGET.rows)
    harmed.update((draws.random(1000) < 0.3).astype(np.float64))
    assert harmed.alarm_row is not None
