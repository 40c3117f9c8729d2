"""Drift and falls of quality, against the sequential detectors of river (MLSPEC_RIVER) on the same streams.

ADWIN, Page-Hinkley, KSWIN, DDM and HDDM test at each row, or each window, as if it were the only one. So they raise
alarms on streams that do not change, and have no budget. mlspec's detectors have one, and ignore changes within the
tolerance. Both have to find a change, and to date it near its true place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlspec.monitoring.quality.risk_alarm import RiskMonitor
from tests.integration.drift_cases import crossings, numbers, reported
from tests.integration.other_library import calculated

pytestmark = pytest.mark.slow

CODE = """
from river import drift, stats
def alarms(detector, values):
    rows = []
    for row, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            rows.append([row, row + 1 - int(getattr(detector, "width", 0))])
    return rows
result = {}
numeric = {"ADWIN": drift.ADWIN, "PageHinkley": drift.PageHinkley}
binary = {"DDM": drift.binary.DDM, "HDDMA": drift.binary.HDDMA, "ADWIN": drift.ADWIN}
for name in given:
    kind, _, rest = name.partition("/")
    if kind in ("stream", "losses"):
        for detector, make in (numeric if kind == "stream" else binary).items():
            result[f"{name}/{detector}"] = alarms(make(), given[name])
        if rest == "unchanged0":
            result["KSWIN"] = alarms(drift.KSWIN(seed=0), given[name][:2000])
    elif kind == "column" and rest.endswith("known"):
        live = given[name.replace("known", "live")]
        live = live[~np.isnan(live)]
        known = given[name][~np.isnan(given[name])]
        mean, variance = stats.Mean(), stats.Var()
        for value in live.tolist():
            mean.update(value)
        for value in known.tolist():
            variance.update(value)
        result[name.removesuffix("/known")] = [mean.get(), variance.get()]
"""
CHANGE, BUDGET = 3000, 90_000.0


def streams() -> dict[str, np.ndarray]:
    result = {}
    for seed in range(5):
        draw = np.random.default_rng(seed)
        result[f"unchanged{seed}"] = draw.normal(size=5000)
        for name, values in (
            ("shift", draw.normal(0.5, 1, 2000)),
            ("scale", draw.normal(0, 2, 2000)),
            ("heavy", draw.standard_t(1.5, 2000) + 1.0),
        ):
            before = draw.standard_t(1.5, CHANGE) if name == "heavy" else draw.normal(size=CHANGE)
            result[f"{name}{seed}"] = np.concatenate([before, values])
    return result


def losses() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(9)
    rates = {"same": (0.1, 0.1), "fell": (0.1, 0.25), "slightly": (0.1, 0.13)}
    return {n: (draw.random(4000) < np.repeat(rate, [2000, 2000])).astype(float) for n, rate in rates.items()}


STREAMS, LOSSES, NUMBERS = streams(), losses(), numbers()
KNOWN = {name: np.random.default_rng(99).normal(size=5000) for name in ("unchanged", "shift", "scale")}
KNOWN["heavy"] = np.random.default_rng(99).standard_t(1.5, 5000)


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    arrays = {f"stream/{name}": values for name, values in STREAMS.items()}
    arrays |= {f"losses/{name}": values for name, values in LOSSES.items()}
    arrays |= {f"column/{n}/{side}": getattr(case, side) for n, case in NUMBERS.items() for side in case._fields}
    result: dict[str, Any] = calculated("MLSPEC_RIVER", "river", CODE, arrays)
    return result


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["shift", "scale", "heavy"])
def test_a_change_is_found_and_dated(name: str, seed: int, theirs: dict[str, Any]) -> None:
    """As soon as by ADWIN, and dated as well as by its cut. ADWIN compares means: a change of scale it finds by chance,
    and heavy tails have none. mlspec compares positions in the reference, which are in 0..1."""
    results = [c for c in crossings(KNOWN[name], STREAMS[f"{name}{seed}"], BUDGET) if c.row >= CHANGE]
    assert results[0].row - CHANGE < 400
    assert abs(results[0].origin.row - CHANGE) < 150
    if name == "shift":
        after = [alarm for alarm in theirs[f"stream/shift{seed}/ADWIN"] if alarm[0] >= CHANGE]
        assert results[0].row <= after[0][0] + 100
        assert abs(results[0].origin.row - CHANGE) <= abs(after[0][1] - CHANGE) + 50


def test_streams_without_a_change(theirs: dict[str, Any]) -> None:
    """The budget of 90,000 rows allows 0.3 alarms in these 25,000 rows."""
    assert not any(crossings(KNOWN["unchanged"], STREAMS[f"unchanged{seed}"], BUDGET) for seed in range(5))
    assert sum(len(theirs[f"stream/unchanged{seed}/PageHinkley"]) for seed in range(5)) >= 5
    assert theirs["KSWIN"]


@pytest.mark.parametrize("name", LOSSES)
def test_a_fall_of_the_quality(name: str, theirs: dict[str, Any]) -> None:
    """river's detectors find any rise of the error rate; mlspec one beyond the tolerance, 0.05 here."""
    monitor = RiskMonitor.of((np.random.default_rng(1).random(3000) < 0.1).astype(float), 0.05, BUDGET)
    monitor.update(LOSSES[name])
    detectors = {d: [row for row, _ in theirs[f"losses/{name}/{d}"] if row >= 2000] for d in ("DDM", "HDDMA", "ADWIN")}
    if name == "fell":
        assert monitor.alarm_row is not None
        assert 2000 <= monitor.alarm_row < 2400
        assert all(detectors.values())
    else:
        assert monitor.alarm_row is None
    if name == "slightly":
        assert any(detectors.values())


def test_means_and_spreads(theirs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    ours = reported(tmp_path_factory.mktemp("store"), NUMBERS, {})
    for name, case in NUMBERS.items():
        measure, (mean, variance) = ours[name].measures[0], theirs[f"column/{name}"]
        assert measure.mean == pytest.approx(mean, rel=1e-9), name
        assert np.nanstd(case.known, ddof=1) ** 2 == pytest.approx(variance, rel=1e-6), name
