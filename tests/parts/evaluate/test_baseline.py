"""What one answer to every row would score, and a model that does no better."""

from __future__ import annotations

import math
import re

import pytest
import torch

from mlspec.learning.metrics import classified
from mlspec.parts.evaluate.baseline import about, label, no_better, number, single_answer
from mlspec.sections.train import TrainSpec

LABELS = ["no", "yes", "maybe"]
TARGET = torch.tensor([0, 1, 1, 1, 2, 1, 0, 1, 1, 1])


def test_the_most_frequent_label() -> None:
    result = classified(torch.zeros(10, 3), TARGET)
    constant = label(["accuracy", "mcc", "log_loss", "balanced_accuracy"], result, LABELS)
    shares = [0.2, 0.7, 0.1]
    assert constant.answer == "yes"
    assert constant.metrics["accuracy"] == pytest.approx(0.7)
    assert constant.metrics["mcc"] == 0
    assert constant.metrics["balanced_accuracy"] == pytest.approx(1 / 3)
    assert constant.metrics["log_loss"] == pytest.approx(-sum(p * math.log(p) for p in shares))


def test_the_mean() -> None:
    constant = number(["rmse", "mae", "r2", "pearson"], torch.tensor([1.0, 2.0, 3.0, 6.0]))
    assert constant.answer == 3.0
    assert constant.metrics == {"rmse": pytest.approx(math.sqrt(3.5)), "mae": 1.5, "r2": 0.0, "pearson": None}


@pytest.mark.parametrize(
    ("metrics", "doubted"),
    [
        ({"accuracy": 0.8, "mcc": 0.1}, False),
        ({"accuracy": 0.6, "mcc": 0.1}, False),
        ({"accuracy": 0.7, "mcc": 0.0}, True),
        ({"accuracy": 0.5, "mcc": None}, True),
        ({"accuracy": 0.5, "log_loss": 0.5}, False),
        ({"accuracy": 0.5, "log_loss": 2.0}, True),
        ({"auroc": None}, False),
    ],
)
def test_only_a_model_that_does_not_beat_the_baseline_is_reported(
    metrics: dict[str, float | None], doubted: bool
) -> None:
    floor = label([*metrics], classified(torch.zeros(10, 3), TARGET), LABELS)
    output = no_better(metrics, floor)
    assert bool(output) is doubted
    if doubted:
        baseline = "the majority-class baseline (`yes` for every row)"
        assert output.startswith(
            f"the model does not beat {baseline}: accuracy {metrics['accuracy']:.4g}, baseline 0.7\n"
        )
        assert "\n  help: raise train.max_epochs; " in output
        assert set(re.findall(r"train\.([a-z_]+)", output)) <= TrainSpec.model_fields.keys()


def test_a_number_is_compared_with_the_constant_baseline() -> None:
    floor = number(["rmse"], torch.tensor([1.0, 3.0]))
    output = no_better({"rmse": 2.0}, floor)
    assert output.startswith("the model does not beat the constant baseline (2 for every row): rmse 2, baseline 1\n")
    assert no_better({"rmse": 0.5}, floor) == ""


@pytest.mark.parametrize(
    ("answers", "actual", "message"),
    [
        (["no"] * 4, ["no", "no", "no", "yes"], "the model predicts `no` for every row of test; 75.0% of them"),
        (["no", "no", "yes", "no"], ["no", "no", "no", "yes"], ""),
        (["no"] * 4, ["no"] * 4, ""),
    ],
)
def test_a_constant_model_is_reported(answers: list[str], actual: list[str], message: str) -> None:
    assert single_answer(answers, ["no", "yes"], actual).startswith(message)
    assert bool(single_answer(answers, ["no", "yes"], actual)) is bool(message)


@pytest.mark.parametrize(
    ("names", "labels", "average", "message"),
    [
        (["accuracy", "f1", "recall"], ["no", "yes"], "auto", "f1, recall are about the second label, `yes`"),
        (["f1"], ["no", "yes"], "binary", "f1 is about the second label, `yes`"),
        (["f1"], ["no", "yes"], "macro", ""),
        (["f1"], ["a", "b", "c"], "auto", ""),
        (["accuracy", "mcc"], ["no", "yes"], "auto", ""),
    ],
)
def test_the_label_that_a_metric_is_about(names: list[str], labels: list[str], average: str, message: str) -> None:
    assert about(names, labels, average).partition("  [")[0] == message
