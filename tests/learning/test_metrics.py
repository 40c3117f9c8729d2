"""Metrics against values worked out by hand."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from mlspec.learning.metrics import Scores, classified, per_class, scores  # noqa: E402
from mlspec.sections.metric_names import DEFAULT, LOWER_IS_BETTER, NAMES, RANGES  # noqa: E402

# Of six rows: two true positives, one false positive, one false negative, two true negatives.
TWO = torch.tensor([[0.0, 2.0], [0.0, 1.0], [0.0, 3.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
TARGET = torch.tensor([1, 1, 0, 1, 0, 0])
THREE = torch.eye(3)[[0, 0, 1, 2, 2, 1]] * 4
TARGET_3 = torch.tensor([0, 0, 1, 2, 1, 0])


def two(name: str, **options: object) -> float | None:
    return scores("classification", [name], TWO, TARGET, **options)[name]  # type: ignore[arg-type]


def test_two_labels() -> None:
    assert two("accuracy") == pytest.approx(4 / 6)
    assert two("precision") == pytest.approx(2 / 3)
    assert two("recall") == pytest.approx(2 / 3)
    assert two("f1") == pytest.approx(2 / 3)
    assert two("balanced_accuracy") == pytest.approx(2 / 3)
    assert two("mcc") == pytest.approx((2 * 2 - 1) / math.sqrt(3 * 3 * 3 * 3), abs=1e-5)
    assert two("cohen_kappa") == pytest.approx((4 / 6 - 0.5) / 0.5, abs=1e-5)
    # Of nine pairs the true ones win six: only the false positive is above all, and one miss lies below it.
    assert two("auroc") == pytest.approx(6 / 9, abs=1e-5)


def test_the_log_loss_is_that_of_the_true_label() -> None:
    even = torch.zeros(4, 2)
    result = scores("classification", ["log_loss"], even, torch.tensor([0, 1, 0, 1]))
    assert result["log_loss"] == pytest.approx(math.log(2), abs=1e-5)


def test_a_threshold_moves_what_is_predicted() -> None:
    assert classified(TWO, TARGET).predicted.tolist() == [1, 1, 1, 0, 0, 0]
    assert classified(TWO, TARGET, threshold=0.9).predicted.tolist() == [0, 0, 1, 0, 0, 0]
    assert two("recall", threshold=0.2) == pytest.approx(1.0)


def test_averages() -> None:
    actual = {
        average: scores("classification", ["recall"], THREE, TARGET_3, average=average)["recall"]
        for average in ("macro", "micro", "weighted")
    }
    assert actual["macro"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3, abs=1e-5)
    assert actual["micro"] == pytest.approx(4 / 6, abs=1e-5)
    assert actual["weighted"] == pytest.approx((2 / 3 * 3 + 1 / 2 * 2 + 1) / 6, abs=1e-5)
    assert two("recall", average="macro") == pytest.approx(2 / 3)


def test_per_class() -> None:
    first, second, third = per_class(classified(THREE, TARGET_3))
    assert first == {"precision": 1.0, "recall": 2 / 3, "f1": 0.8, "support": 3}
    assert second == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    assert third["recall"] == 1.0


def test_a_label_that_is_never_predicted_has_no_precision() -> None:
    logits = torch.tensor([[1.0, 0, 0]] * 3)
    entries = per_class(classified(logits, torch.tensor([0, 0, 1])))
    assert entries[1] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1}
    assert entries[2] == {"precision": None, "recall": None, "f1": None, "support": 0}


def test_what_is_not_defined_is_none() -> None:
    ones = scores("classification", NAMES["classification"], TWO, torch.ones(6, dtype=torch.long))
    assert ones["auroc"] is None
    assert ones["average_precision"] is None
    assert ones["mcc"] == 0.0
    constant = scores("regression", NAMES["regression"], torch.randn(4), torch.ones(4))
    assert constant["r2"] is None
    assert constant["pearson"] is None
    single = scores("regression", NAMES["regression"], torch.ones(1), torch.ones(1))
    assert single["mae"] == 0.0
    assert single["spearman"] is None


def test_numbers() -> None:
    values, truth = torch.tensor([1.0, 2.0, 3.0, 5.0]), torch.tensor([1.0, 2.0, 4.0, 4.0])
    result = scores("regression", NAMES["regression"], values, truth)
    assert result["mae"] == 0.5
    assert result["mse"] == 0.5
    assert result["rmse"] == pytest.approx(math.sqrt(0.5), abs=1e-5)
    assert result["r2"] == pytest.approx(1 - 2 / 6.75, abs=1e-5)
    assert result["mape"] == pytest.approx((1 / 4 + 1 / 4) / 4, abs=1e-5)


def test_many_outputs_of_one_column_are_numbers_too() -> None:
    result = scores("regression", ["mae"], torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 4.0]))
    assert result["mae"] == 1.0


def test_scores_of_batches_are_those_of_the_whole() -> None:
    metric = Scores(NAMES["classification"], "classification")
    for start in range(0, 6, 4):
        metric.update(TWO[start : start + 4], TARGET[start : start + 4])
    assert metric.compute() == scores("classification", NAMES["classification"], TWO, TARGET)
    metric.reset()
    metric.update(TWO[:1], TARGET[:1])
    assert math.isnan(metric.compute()["auroc"])


def test_every_name_has_a_range_and_a_way_to_be_computed() -> None:
    everything = {name for names in NAMES.values() for name in names}
    assert everything | {"ece"} == set(RANGES)
    assert everything >= LOWER_IS_BETTER
    for task, names in NAMES.items():
        assert set(DEFAULT[task]) <= set(names)
        outputs, target = (TWO, TARGET) if task == "classification" else (torch.randn(6), torch.randn(6))
        assert set(scores(task, names, outputs, target)) == set(names)
