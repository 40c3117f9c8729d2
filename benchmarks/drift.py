"""False alarms and power of drift detection: against the usual tests per look, on streams, sentences and a table.

python benchmarks/drift.py [--seeds 200] [--only streams|sentences|table] [--cola FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy.special import kolmogorov

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.budget import Budget
from mlspec.monitoring.drift.column_reference import ColumnReference
from mlspec.monitoring.drift.drift_alarm import RowGroup
from mlspec.monitoring.drift.drift_monitor import DriftMonitor
from mlspec.monitoring.drift.live_rows import LiveRows
from mlspec.monitoring.drift.streams import Streams

COLUMNS, LOOKS, ROWS, REFERENCE = 20, 30, 1000, 5000
TOLERANCE = 0.015
BUDGET = Budget.of(1, 90, ROWS)
Look = Callable[[Floats, Floats], bool]
"""Whether one look at a window raises an alarm: the sorted reference and the rows of the window."""


def p_values(reference: Floats, window: Floats) -> Floats:
    """Of the Kolmogorov-Smirnov test, by column (asymptotic)."""
    live = np.sort(window, axis=0)
    n, m = len(reference), len(live)
    steps = np.arange(1, m + 1) / m
    distances = []
    for known, values in zip(reference.T, live.T, strict=True):
        cdf = np.searchsorted(known, values, "right") / n
        distances.append(max(np.max(np.abs(steps - cdf)), np.max(np.abs(steps - 1 / m - cdf))))
    result: Floats = kolmogorov(np.array(distances) * np.sqrt(n * m / (n + m)))
    return result


def stability(reference: Floats, window: Floats) -> float:
    """The largest population stability index of any column, in ten bins."""
    indices = []
    for known, values in zip(reference.T, window.T, strict=True):
        edges = known[(len(known) * np.arange(1, 10)) // 10]
        share = np.maximum(np.bincount(np.searchsorted(edges, values), minlength=10) / len(values), 1e-4)
        indices.append(float(np.sum((share - 0.1) * np.log(share / 0.1))))
    return max(indices)


PER_LOOK: dict[str, Look] = {
    "KS p < 0.05 per look": lambda r, w: bool(np.min(p_values(r, w)) < 0.05),
    "KS Bonferroni per look": lambda r, w: bool(np.min(p_values(r, w)) < 0.05 / COLUMNS),
    "KS Bonferroni, all looks": lambda r, w: bool(np.min(p_values(r, w)) < 0.05 / COLUMNS / LOOKS),
    "PSI > 0.2 per look": lambda r, w: stability(r, w) > 0.2,
    "PSI > 0.1 per look": lambda r, w: stability(r, w) > 0.1,
}


@dataclass(frozen=True)
class Outcome:
    """Of one stream: the rows at the first alarm, or None."""

    method: str
    rows: int | None


def monitor(reference: Floats, tolerance: float = TOLERANCE) -> DriftMonitor:
    columns = tuple(ColumnReference.of_numbers(str(i), c) for i, c in enumerate(reference.T))
    return DriftMonitor({"": Streams(columns, tolerance)}, BUDGET)


def first_alarm(watched: DriftMonitor, values: Floats) -> int | None:
    for start in range(0, len(values), ROWS):
        part = values[start : start + ROWS]
        numbers = {str(i): c for i, c in enumerate(part.T)}
        watched.update(RowGroup(), LiveRows([""] * len(part), np.zeros(len(part)), numbers))
        if alarms := watched.alarms():
            return min(a.row for a in alarms) + 1
    return None


def stream(seed: int, rows: int, shift: float) -> Iterator[Outcome]:
    draws = np.random.default_rng(seed)
    reference, values = draws.normal(size=(REFERENCE, COLUMNS)), draws.normal(size=(rows, COLUMNS))
    values[:, 0] += shift
    yield Outcome("e-detectors, 1 per 90d", first_alarm(monitor(reference), values))
    known = np.sort(reference, axis=0)
    for name, look in PER_LOOK.items():
        looks = (end for end in range(ROWS, rows + 1, ROWS) if look(known, values[end - ROWS : end]))
        yield Outcome(name, next(looks, None))


def table(title: str, outcomes: list[Outcome], seeds: int) -> None:
    print(f"\n{title}\n{'':28}{'streams with an alarm':>22}{'median rows':>13}{'90 %':>8}")
    for name in dict.fromkeys(o.method for o in outcomes):
        rows = [o.rows for o in outcomes if o.method == name]
        seen = np.array([np.inf if r is None else r for r in rows])
        share = f"{np.mean(np.isfinite(seen)):.1%}"
        middle, most = np.quantile(seen, [0.5, 0.9], method="higher")
        print(f"{name:28}{share:>22}{middle:>13,.0f}{most:>8,.0f}")
    print(f"({seeds} seeds)", flush=True)


def streams(seeds: int) -> None:
    print(f"{COLUMNS} normal columns, reference {REFERENCE:,} rows, tolerance {TOLERANCE}")
    print(f"budget {BUDGET.rows:,.0f} rows: at most {LOOKS * ROWS / BUDGET.rows:.0%} of streams with a false alarm")
    for shift, rows in ((0.5, 2000), (0.3, 3000), (0.2, 5000)):
        found = [o for seed in range(seeds) for o in stream(1000 + seed, rows, shift)]
        table(f"one column shifted by {shift} sd from the first row", found, seeds)
    found = [o for seed in range(seeds) for o in stream(seed, LOOKS * ROWS, 0.0)]
    table(f"no change, {LOOKS} looks of {ROWS} rows", found, seeds)


PARTS: dict[str, Callable[[int], None]] = {"streams": streams}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--only", choices=sorted(PARTS))
    options = parser.parse_args()
    for name, part in PARTS.items():
        if options.only in (None, name):
            start = perf_counter()
            part(options.seeds)
            print(f"{name}: {perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
