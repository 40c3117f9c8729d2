from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.prediction_store import PredictionStore
from mlspec.monitoring.profile_report import report
from tests.monitoring.log_lines import DAY, SIGNATURE, failure, line, segment
from tests.monitoring.references import REFERENCE

END = DAY + timedelta(days=1)


def store(folder: Path) -> PredictionStore:
    return PredictionStore(folder, SIGNATURE, reference=REFERENCE)


def fill(folder: Path, rows: int = 600, version: str = "7", mean: float = 40, first: int = 0) -> None:
    rng = np.random.default_rng(first)
    towns = rng.choice(["Bonn", "Köln", "Trier"], rows, p=[0.6, 0.38, 0.02])
    ages = rng.normal(mean, 10, rows)
    lines = [
        line(
            first + n,
            DAY + timedelta(seconds=60 * n),
            version=version,
            latency_ms=float(rng.lognormal(2, 0.5)),
            lengths={"sentence": {"characters": 30, "words": 6}},
            inputs={"age": float(ages[n]), "town": str(towns[n]), "sentence": "x"},
        )
        for n in range(rows)
    ]
    segment(folder, lines, f"a-1-1-{first}")


def test_numbers_of_a_report(tmp_path: Path) -> None:
    fill(tmp_path)
    segment(tmp_path, [failure(9000 + n) for n in range(20)], "b-1-1-1")
    store(tmp_path).seal()
    shown = report(store(tmp_path).profiles(DAY, END), REFERENCE)
    exact = store(tmp_path).query("SELECT quantile_cont(latency_ms, [0.5, 0.95]) AS q FROM predictions")["q"][0].as_py()
    assert (shown.requests, shown.predictions, shown.error_rate) == (620, 600, 20 / 620)
    assert [shown.latency_ms[0.5], shown.latency_ms[0.95]] == pytest.approx(exact, rel=0.12)
    age, sentence, town = shown.columns
    assert (age.name, sentence.name, town.name) == ("age", "sentence", "town")
    assert age.measures[0].psi is not None
    assert age.measures[0].psi.net < 0.05
    assert town.measures[0].psi is not None
    assert town.measures[0].psi.net < 0.02
    characters = sentence.measures[0]
    assert characters.psi is not None
    assert characters.psi.net > 1
    assert (characters.mean, characters.reference_mean) == (30, pytest.approx(30, abs=0.3))


def test_the_scores_of_a_sure_model_have_bins(tmp_path: Path) -> None:
    """All of them are above 0.98, in training and now, and half as sure now."""
    assert REFERENCE.classes is not None
    draw = np.random.default_rng(0)
    classes = REFERENCE.classes.model_copy(update={"score": QuantileGrid.of(1 - draw.uniform(0, 0.005, 1000))})
    known = REFERENCE.model_copy(update={"classes": classes})
    scores = (1 - draw.uniform(0, 0.01, 300)).tolist()
    probabilities = {"no": 0.0, "yes": 1.0}
    answers = [{"label": "yes", "score": score, "probabilities": probabilities} for score in scores]
    segment(tmp_path, [line(n, prediction=answer) for n, answer in enumerate(answers)])
    watched = PredictionStore(tmp_path, SIGNATURE, reference=known)
    shown = report(watched.profiles(DAY, END), known).prediction
    assert shown is not None
    assert shown.ks is not None
    assert shown.ks.value == pytest.approx(0.5, abs=0.06)


def test_a_shift_of_one_version_is_reported_for_that_version(tmp_path: Path) -> None:
    fill(tmp_path)
    fill(tmp_path, 200, "8", 55, first=5000)
    profiles = store(tmp_path).profiles(DAY, END)
    stability = {v: report(profiles, REFERENCE, v).columns[0].measures[0].psi for v in ("7", "8")}
    assert stability["7"] is not None
    assert stability["7"].net < 0.05
    assert stability["8"] is not None
    assert stability["8"].net > 0.5


def test_profiles_are_those_of_the_predictions(tmp_path: Path) -> None:
    """Sealed in several steps, with open segments, after a merge, with a profile that is missing or damaged."""
    for part in range(9):
        fill(tmp_path, 30, first=100 * part)
        store(tmp_path).seal()
    fill(tmp_path, 10, first=5000)
    profiles = store(tmp_path)
    expected = profiles.profile(DAY, END)
    assert expected.num_rows > 100
    same = [profiles.profiles(DAY, END)]
    (file,) = (tmp_path / "profiles").glob("*.parquet")
    file.write_bytes(b"torn")
    same.append(profiles.profiles(DAY, END))
    file.unlink()
    same.append(profiles.profiles(DAY, END))
    for table in same:
        assert table.drop(["rows", "weight"]).equals(expected.drop(["rows", "weight"]))
        np.testing.assert_allclose(table["rows"], expected["rows"], rtol=1e-9)


def test_another_reference_counts_again(tmp_path: Path) -> None:
    fill(tmp_path)
    PredictionStore(tmp_path, SIGNATURE).seal()
    shown = report(store(tmp_path).profiles(DAY, END), REFERENCE)
    assert shown.columns[0].measures[0].psi is not None
    assert shown.columns[0].measures[0].psi.net < 0.05


def test_without_reference_and_without_requests(tmp_path: Path) -> None:
    nothing = report(store(tmp_path).profiles(DAY, END), REFERENCE)
    assert (nothing.requests, nothing.error_rate, nothing.columns, nothing.latency_ms) == (0, None, (), {})
    fill(tmp_path, 20)
    plain = PredictionStore(tmp_path, SIGNATURE)
    shown = report(plain.profiles(DAY, END), None)
    assert [c.measures[0].psi for c in shown.columns if c.measures] == [None, None]
    assert shown.columns[-1].new_values["Bonn"] > 1


def test_a_sample_is_scaled_up(tmp_path: Path) -> None:
    segment(tmp_path, [*(line(n, weight=10.0) for n in range(10)), failure(11)])
    shown = report(store(tmp_path).profiles(DAY, END), REFERENCE)
    assert (shown.requests, shown.predictions, shown.error_rate) == (101, 10, 1 / 101)


def test_hours_in_any_zone(tmp_path: Path) -> None:
    segment(
        tmp_path, [line(1, time="2026-11-27T01:30:00+05:30"), line(2, time="2026-11-26T20:10:00Z")], day="2026-11-26"
    )
    store(tmp_path).seal()
    hours = set(store(tmp_path).profiles(DAY - timedelta(days=1), END)["hour"].to_pylist())
    assert hours == {DAY - timedelta(hours=4)}
