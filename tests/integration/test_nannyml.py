"""The report on the inputs, and the quality without labels, against NannyML (MLSPEC_NANNYML) on the same data.

NannyML also has Jensen-Shannon, Hellinger, Wasserstein and L-infinity distances, which mlspec does not show: PSI, KS and
chi-square, net of their noise, answer the same question. Hellinger's distance bounds PSI, which checks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from mlspec.monitoring.baseline.error_model import ErrorRows
from mlspec.monitoring.compute_reference import score_bins
from mlspec.monitoring.profile_report import ColumnReport
from mlspec.monitoring.quality.estimated_quality import calibrated, estimated_accuracy, estimated_metrics
from mlspec.monitoring.quality.expected_error import expected_errors
from mlspec.monitoring.quality.fit_error_model import fit_error_model
from tests.integration.drift_cases import KNOWN, categories, numbers, reported
from tests.integration.other_library import calculated

pytestmark = pytest.mark.slow

UNIVARIATE = """
import nannyml as nml, pandas as pd
names = {side: [n.partition("/")[2] for n in given if n.startswith(side)] for side in ("number", "category")}
def frame(part):
    columns = {n: given[f"number/{n}/{part}"] for n in NUMBERS} | {n: given[f"category/{n}/{part}"] for n in NAMED}
    table = pd.DataFrame(columns)
    table[NAMED] = table[NAMED].astype(object).where(table[NAMED] != "", None)
    return table
NUMBERS = sorted({n.split("/")[1] for n in given if n.startswith("number")})
NAMED = sorted({n.split("/")[1] for n in given if n.startswith("category")})
known, live = frame("known"), frame("live")
def values(calculator):
    calculator.fit(known)
    table = calculator.calculate(live).filter(period="analysis").to_df()
    return {"/".join(key[:-1]): float(table[key].iloc[0]) for key in table.columns if key[-1] == "value"}
result = values(nml.UnivariateDriftCalculator(
    column_names=NUMBERS + NAMED, treat_as_categorical=NAMED, continuous_methods=["kolmogorov_smirnov"],
    categorical_methods=["chi2", "hellinger"], chunk_number=1))
absent = values(nml.MissingValuesCalculator(column_names=NUMBERS + NAMED, chunk_number=1))
result |= {f"{name}/missing": value for name, value in absent.items()}
unseen = values(nml.UnseenValuesCalculator(column_names=NAMED, chunk_number=1))
result |= {f"{name}/unseen": value for name, value in unseen.items()}
means = values(nml.SummaryStatsAvgCalculator(column_names=NUMBERS, chunk_number=1))
result |= {f"{name}/mean": value for name, value in means.items()}
"""
CBPE = """
import nannyml as nml, pandas as pd
def estimated(known, live, problem, metrics, **names):
    cbpe = nml.CBPE(y_pred="predicted", y_true="actual", problem_type=problem, metrics=metrics, chunk_number=1, **names)
    cbpe.fit(known)
    table = cbpe.estimate(live).filter(period="analysis").to_df()
    return {metric: float(table[metric, "value"].iloc[0]) for metric in metrics}
result = {}
for name in sorted({n.partition("/")[0] for n in given}):
    tables = []
    for part in ("known", "live"):
        chances = given[f"{name}/{part}"]
        table = pd.DataFrame({f"p{i}": chances[:, i] for i in range(chances.shape[1])})
        table["predicted"] = chances.argmax(axis=1)
        if part == "known":
            table["actual"] = given[f"{name}/actual"]
        tables.append(table)
    if chances.shape[1] == 2:
        metrics = ["accuracy", "precision", "recall", "f1", "roc_auc"]
        result[name] = estimated(*tables, "classification_binary", metrics, y_pred_proba="p1")
    else:
        for table in tables:
            for column in {"predicted", "actual"} & set(table.columns):
                table[column] = "class" + table[column].astype(str)
        columns = {f"class{i}": f"p{i}" for i in range(chances.shape[1])}
        result[name] = estimated(*tables, "classification_multiclass", ["accuracy"], y_pred_proba=columns)
"""
NUMBERS, CATEGORIES = numbers(), categories()


@pytest.fixture(scope="module")
def theirs() -> dict[str, float]:
    arrays = {}
    for kind, cases in (("number", NUMBERS), ("category", CATEGORIES)):
        for name, case in cases.items():
            live = case.live
            arrays |= {f"{kind}/{name}/known": case.known, f"{kind}/{name}/live": live}
    result: dict[str, float] = calculated("MLSPEC_NANNYML", "NannyML", UNIVARIATE, arrays)
    return result


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ColumnReport]:
    return reported(tmp_path_factory.mktemp("store"), NUMBERS, CATEGORIES)


@pytest.mark.parametrize("name", NUMBERS)
def test_kolmogorov_smirnov(name: str, theirs: dict[str, float], ours: dict[str, ColumnReport]) -> None:
    """NannyML reads all values, mlspec counts in at most 64 bins of equal shares, and one for each frequent value. So
    its distance is at most that of the values, and less than the share of a bin (1/64) below it."""
    measure = ours[name].measures[0].ks
    assert measure is not None
    assert -1e-9 <= theirs[f"{name}/kolmogorov_smirnov"] - measure.value < 1 / 64


@pytest.mark.parametrize("name", CATEGORIES)
def test_chi_square(name: str, theirs: dict[str, float], ours: dict[str, ColumnReport]) -> None:
    """NannyML corrects two categories for continuity (Yates), mlspec does not: it makes no difference to 1,000 rows.
    mlspec compares categories with less than 0.5 % of the training data together, of which `many` has three."""
    (measure,) = ours[name].measures
    assert measure.chi_square is not None
    known = int((CATEGORIES[name].known != "").sum())
    statistic = measure.chi_square.value**2 * (known + measure.rows)
    tolerance = {"two": 0.03, "many": 0.01}.get(name, 1e-6)
    assert statistic == pytest.approx(theirs[f"{name}/chi2"], rel=tolerance)


@pytest.mark.parametrize("name", CATEGORIES)
def test_psi_and_the_distance_of_hellinger(name: str, theirs: dict[str, float], ours: dict[str, ColumnReport]) -> None:
    """PSI is at least 4 times the squared distance, and 8 times that of a small change."""
    (measure,) = ours[name].measures
    assert measure.psi is not None
    squared = theirs[f"{name}/hellinger"] ** 2
    assert measure.psi.value >= 4 * squared * 0.95
    if squared < 0.005:
        assert measure.psi.value == pytest.approx(8 * squared, rel=0.1, abs=1e-4)


def test_missing_and_unseen_values_and_means(theirs: dict[str, float], ours: dict[str, ColumnReport]) -> None:
    """NannyML's share of unseen values is one of all rows, mlspec's one of the rows that have a value."""
    for name, report in ours.items():
        assert report.missing == pytest.approx(theirs[f"{name}/missing"]), name
    for name in CATEGORIES:
        assert ours[name].unseen * (1 - ours[name].missing) == pytest.approx(theirs[f"{name}/unseen"]), name
    for name in NUMBERS:
        assert ours[name].measures[0].mean == pytest.approx(theirs[f"{name}/mean"], rel=1e-9), name


def chances(rows: int, labels: int, seed: int) -> np.ndarray:
    """Of a calibrated model: most of them sure, some not."""
    return np.random.default_rng(seed).dirichlet(np.linspace(0.3, 0.8, labels), rows)


def drawn(probabilities: np.ndarray, seed: int) -> np.ndarray:
    """Labels, each as likely as its probability."""
    levels = np.random.default_rng(seed).random((len(probabilities), 1))
    return np.minimum((probabilities.cumsum(axis=1) < levels).sum(axis=1), probabilities.shape[1] - 1)


def sharpened(probabilities: np.ndarray, power: float) -> np.ndarray:
    """Surer than they should be, or less sure."""
    powers = probabilities**power
    return powers / powers.sum(axis=1, keepdims=True)


def models() -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Scores and labels of the test split, scores and labels of live rows: the labels are those of the true chances."""
    result = {}
    for number, (name, labels, power) in enumerate(
        [
            ("calibrated", 2, 1.0),
            ("too_sure", 2, 2.0),
            ("unsure", 2, 0.6),
            ("three", 3, 1.0),
            ("three_too_sure", 3, 2.0),
        ]
    ):
        known, live = chances(KNOWN, labels, number), chances(3000, labels, 100 + number)
        live = live[np.argsort(live.max(axis=1) + np.random.default_rng(number).random(3000))[:2000]]  # harder rows
        actual, truth = drawn(known, number), drawn(live, 50 + number)
        result[name] = sharpened(known, power), actual, sharpened(live, power), truth
    return result


MODELS = models()


def by_nannyml(code: str, models: Mapping[str, Sequence[np.ndarray]]) -> dict[str, dict[str, float]]:
    """What the code of NannyML gives for each model: of the rows of the test split, their true values and live rows."""
    arrays = {}
    for name, (known, actual, live, _) in models.items():
        arrays |= {f"{name}/known": known, f"{name}/actual": actual, f"{name}/live": live}
    result: dict[str, dict[str, float]] = calculated("MLSPEC_NANNYML", "NannyML", code, arrays)
    return result


@pytest.fixture(scope="module")
def cbpe() -> dict[str, dict[str, float]]:
    return by_nannyml(CBPE, MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_the_quality_without_labels(name: str, cbpe: dict[str, dict[str, Any]]) -> None:
    """Both calibrate the scores on the test split by isotonic regression: NannyML those of each label, mlspec those of
    the predicted label in 20 bins, which is all that a reference without rows of the data has. NannyML's interval is
    that of a chunk of the test split (3 standard errors); mlspec's is that of the live rows. It has the true value."""
    known, actual, live, truth = MODELS[name]
    bins = score_bins(known.max(axis=1), known.argmax(axis=1) == actual)
    corrected, predicted = calibrated(live, bins), live.argmax(axis=1)
    accuracy = estimated_accuracy(corrected.max(axis=1))
    assert accuracy.value == pytest.approx(cbpe[name]["accuracy"], abs=0.02)
    assert accuracy.low - 0.01 <= np.mean(predicted == truth) <= accuracy.high + 0.01
    if known.shape[1] == 2:
        results = {e.metric.partition("[")[0]: e.value for e in estimated_metrics(corrected, predicted, 1, "yes")}
        results["roc_auc"] = results.pop("auroc")
        expected = {metric: value for metric, value in cbpe[name].items() if metric != "accuracy"}
        assert results == pytest.approx(expected, abs=0.02)


DLE = """
import nannyml as nml, pandas as pd
NAMES = ["x0", "x1", "x2"]
result = {}
for name in sorted({n.partition("/")[0] for n in given}):
    known, live = (pd.DataFrame(given[f"{name}/{part}"], columns=[*NAMES, "predicted"]) for part in ("known", "live"))
    known["actual"] = given[f"{name}/actual"]
    dle = nml.DLE(feature_column_names=NAMES, y_pred="predicted", y_true="actual", metrics=["mae", "rmse"], chunk_number=1)
    dle.fit(known)
    table = dle.estimate(live).filter(period="analysis").to_df()
    result[name] = {metric: float(table[metric, "value"].iloc[0]) for metric in ("mae", "rmse")}
"""
NAMES = ("input.x0", "input.x1", "input.x2", "value")


def values(count: int, seed: int, mean: float, rising: float) -> tuple[np.ndarray, np.ndarray]:
    """Three inputs with the prediction, and true values: from 0.6 of the first input on, errors are that much larger."""
    draw = np.random.default_rng(seed)
    inputs = draw.normal([mean, 0, 0], 1, (count, 3))
    predicted = inputs @ [1.0, 2.0, -1.0]
    actual = predicted + draw.normal(size=count) * np.where(inputs[:, 0] > 0.6, rising, 1.0)
    return np.column_stack([inputs, predicted]), actual


NUMBER_MODELS = {
    name: (*values(KNOWN, 0, 0.0, rising), *values(2000, 1, mean, rising))
    for name, mean, rising in (("unchanged", 0.0, 3.0), ("shifted", 0.8, 3.0), ("equal_errors", 0.8, 1.0))
}


@pytest.fixture(scope="module")
def dle() -> dict[str, dict[str, float]]:
    return by_nannyml(DLE, NUMBER_MODELS)


@pytest.mark.parametrize("name", NUMBER_MODELS)
def test_the_error_without_labels(name: str, dle: dict[str, dict[str, float]]) -> None:
    """Where errors do not depend on the inputs NannyML expects those of the test split, and mlspec says why it expects
    nothing."""
    known, actual, live, truth = NUMBER_MODELS[name]
    model = fit_error_model(ErrorRows(dict(zip(NAMES, known.T, strict=True))), actual - known[:, 3])
    result = expected_errors(model, ErrorRows(dict(zip(NAMES, live.T, strict=True))))
    theirs, wrong = dle[name], truth - live[:, 3]
    if name == "equal_errors":
        assert (result, model.problem) == (None, "no skill")
        assert theirs["mae"] == pytest.approx(np.abs(actual - known[:, 3]).mean(), rel=0.05)
        return
    assert result is not None
    assert result.squared is not None
    assert result.absolute.value == pytest.approx(theirs["mae"], rel=0.1)
    assert result.squared.value == pytest.approx(theirs["rmse"], rel=0.1)
    assert result.absolute.low <= np.abs(wrong).mean() <= result.absolute.high
    assert result.squared.low <= np.sqrt(np.mean(wrong**2)) <= result.squared.high
