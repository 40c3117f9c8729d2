"""The report on the inputs, and the detectors, against alibi-detect (MLSPEC_ALIBI_DETECT) on the same data.

alibi-detect also has MMD, LSDD and learned kernels on rows as a whole, which need PyTorch and hold the rows of the
reference; mlspec compares the columns, the scores, and texts with a classifier.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from mlspec.monitoring.drift.domain_classifier import DomainClassifier, features, text_hashes
from mlspec.monitoring.profile_report import ColumnReport
from tests.integration.drift_cases import categories, crossings, numbers, reported
from tests.integration.other_library import calculated

pytestmark = pytest.mark.slow

CODE = """
import importlib.util, types
# The package without its own __init__, which imports outlier detectors, models and data sets for seconds.
package = types.ModuleType("alibi_detect")
package.__path__ = importlib.util.find_spec("alibi_detect").submodule_search_locations
sys.modules["alibi_detect"] = package
from alibi_detect.cd import ChiSquareDrift, ClassifierDrift, CVMDriftOnline, KSDrift
from sklearn.linear_model import LogisticRegression
result = {}
for name in sorted({n.split("/")[1] for n in given if n.startswith("column/")}):
    known, live = given[f"column/{name}/known"], given[f"column/{name}/live"]
    if known.dtype.kind == "f":
        known, live = known[~np.isnan(known)], live[~np.isnan(live)]
        found = KSDrift(known[:, None]).predict(live[:, None])["data"]
    else:
        known, live = known[known != ""], live[live != ""]
        codes = {value: code for code, value in enumerate(np.unique(np.concatenate([known, live])))}
        known, live = (np.array([codes[v] for v in side])[:, None] for side in (known, live))
        found = ChiSquareDrift(known, categories_per_feature={0: list(codes.values())}).predict(live)["data"]
    result[name] = [float(found["distance"][0]), float(found["p_val"][0])]
for name in ("same", "other"):
    model = LogisticRegression()
    detector = ClassifierDrift(given["text/known"], model, backend="sklearn", preds_type="probs", n_folds=5, seed=0)
    result[f"text/{name}"] = float(detector.predict(given[f"text/{name}"])["data"]["p_val"])
np.random.seed(0)
detector = CVMDriftOnline(given["online/known"][:, None], ert=500.0, window_sizes=[100], n_bootstraps=1000, verbose=False)
for name in ("shifted", "unchanged"):
    detector.reset_state()
    result[f"online/{name}"] = rows = []
    for row, value in enumerate(given[f"online/{name}"].tolist()):
        if detector.predict(np.array([value]))["data"]["is_drift"]:
            rows.append(row)
            detector.reset_state()
"""
BUDGET = 500.0
"""Rows to a false alarm."""


def texts(rows: int, seed: int, odd: float = 0.0) -> list[str]:
    """Sentences of eight of 200 words; `odd` is how much more frequent the first 40 are."""
    draw, weights = np.random.default_rng(seed), np.where(np.arange(200) < 40, 1 + odd, 1.0)
    return [" ".join(f"word{w}" for w in draw.choice(200, 8, p=weights / weights.sum())) for _ in range(rows)]


def bags(sentences: list[str]) -> np.ndarray:
    """The features that mlspec's classifier reads, hashed into fewer columns."""
    result = np.zeros((len(sentences), 512), dtype=np.float32)
    for row, sentence in enumerate(sentences):
        result[row, features(text_hashes(sentence)) % 512] = 1
    return result


def streams() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(2)
    sizes = {"known": (0, 5000), "unchanged": (0, 4000), "shifted": (0.7, 1000)}
    return {name: draw.normal(mean, 1, rows) for name, (mean, rows) in sizes.items()}


NUMBERS, CATEGORIES = numbers(), categories()
TEXTS = {"known": texts(800, 0), "same": texts(800, 1), "other": texts(800, 2, 2.0)}
STREAMS = streams()


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    cases = NUMBERS | CATEGORIES
    arrays = {f"column/{name}/{side}": getattr(case, side) for name, case in cases.items() for side in case._fields}
    arrays |= {f"online/{name}": values for name, values in STREAMS.items()}
    arrays["online/known"] = STREAMS["known"][:500]
    arrays |= {f"text/{name}": bags(sentences) for name, sentences in TEXTS.items()}
    result: dict[str, Any] = calculated("MLSPEC_ALIBI_DETECT", "alibi-detect", CODE, arrays)
    return result


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ColumnReport]:
    return reported(tmp_path_factory.mktemp("store"), NUMBERS, CATEGORIES)


@pytest.mark.parametrize("name", NUMBERS)
def test_kolmogorov_smirnov(name: str, theirs: Any, ours: dict[str, ColumnReport]) -> None:
    """The distance of counts is at most that of the values, so that the p-value is at least as large; it is the
    asymptotic one, alibi-detect's the exact one."""
    measure = ours[name].measures[0].ks
    assert measure is not None
    assert measure.p is not None
    distance, p = theirs[name]
    assert -1e-6 <= distance - measure.value < 1 / 64
    assert p - 0.02 <= measure.p <= (1e-4 if p < 1e-6 else 1)
    assert (measure.p < 0.01) == (p < 0.01)


@pytest.mark.parametrize("name", CATEGORIES)
def test_chi_square(name: str, theirs: Any, ours: dict[str, ColumnReport]) -> None:
    """As for NannyML, see there. Unseen values are one category of mlspec; `one` has three, so other degrees of freedom."""
    (measure,) = ours[name].measures
    assert measure.chi_square is not None
    assert measure.chi_square.p is not None
    known, (statistic, p) = int((CATEGORIES[name].known != "").sum()), theirs[name]
    tolerance = {"two": 0.03, "many": 0.01}.get(name, 1e-6)
    assert measure.chi_square.value**2 * (known + measure.rows) == pytest.approx(statistic, rel=tolerance)
    assert measure.chi_square.p == pytest.approx(p, rel=1e-4, abs=1e-12)


def test_the_expected_rows_to_a_false_alarm(theirs: dict[str, Any]) -> None:
    """alibi-detect's online detector is calibrated so that the mean is as declared; mlspec's budget is a bound, whatever
    the dependence of the rows, so that it raises fewer false alarms, and finds this change as soon."""
    known, unchanged, shifted = STREAMS["known"], STREAMS["unchanged"], STREAMS["shifted"]
    false = crossings(known, unchanged, BUDGET)
    assert len(false) <= len(unchanged) / BUDGET
    assert len(false) <= len(theirs["online/unchanged"])
    assert crossings(known, shifted, BUDGET)[0].row <= 1.5 * theirs["online/shifted"][0] < 300


def test_texts_that_a_classifier_distinguishes(theirs: dict[str, Any]) -> None:
    """alibi-detect fits a classifier to all rows at once, mlspec bets on each pair before it learns it."""
    sample, level = [text_hashes(text) for text in TEXTS["known"]], 0.001
    for name, differ in (("same", False), ("other", True)):
        wins = np.nansum(DomainClassifier(sample).values([text_hashes(text) for text in TEXTS[name]]))
        p = stats.binomtest(int(wins), len(sample), alternative="greater").pvalue
        assert (p < level, theirs[f"text/{name}"] < level) == (differ, differ)
