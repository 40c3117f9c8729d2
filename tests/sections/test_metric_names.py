"""Which direction of a metric is better: certain from its name, or asked for."""

from __future__ import annotations

import pytest

from mlspec.sections.metric_names import NAMES, direction


@pytest.mark.parametrize(
    "name",
    [
        "loss",
        "val_loss",
        "valid/loss",
        "Val-Loss",
        "val.loss",
        "valLoss",
        "VAL_LOSS",
        "val_loss_epoch",
        "val_loss/dataloader_idx_0",
        "valid/rmse",
        "error",
        "valid/brier_score",
        "Perplexity",
        "log_loss",
        "wer",
    ],
)
def test_smaller_is_better(name: str) -> None:
    assert direction(name) == "min"


@pytest.mark.parametrize(
    "name",
    ["Val Acc", "val_f1", "valid/f1_score", "R2", "mcc", "val/roc_auc", "valid/average_precision", "accuracy_macro"],
)
def test_larger_is_better(name: str) -> None:
    assert direction(name) == "max"


@pytest.mark.parametrize(
    "name",
    [
        "score",
        "valid/score",
        "reward",
        "neg_mse",
        "negative_log_loss",
        "loss_improvement",
        "loss_gap",
        "lossy",
        "errors_left",
        "false_positive_rate",
        "-loss",
        "",
        "1",
        "quality",
        "entropy",
        "similarity",
        "distance",
        "glossary",
        "delta_loss",
    ],
)
def test_no_other_name_is_guessed(name: str) -> None:
    assert direction(name) is None


def test_every_metric_of_mlspec_has_a_direction() -> None:
    assert all(direction(f"valid/{name}") for names in NAMES.values() for name in names)
