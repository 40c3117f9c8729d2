"""A loss that is not finite is found and located, however seldom losses are read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from mlspec.errors import StageError  # noqa: E402
from mlspec.learning.callbacks import FiniteLoss  # noqa: E402


def train(check: FiniteLoss, losses: list[float], first: int = 1) -> None:
    for step, loss in enumerate(losses, first):
        trainer: Any = SimpleNamespace(global_step=step)
        check.on_train_batch_end(trainer, None, {"loss": torch.tensor(loss)})  # type: ignore[arg-type]


def test_every_loss_is_read_at_once_by_default() -> None:
    with pytest.raises(StageError, match="the loss is nan at step 2"):
        train(FiniteLoss(), [0.5, float("nan"), 0.5])


def test_losses_that_are_read_together_are_located() -> None:
    check = FiniteLoss(every=4)
    train(check, [0.5, float("inf"), 0.5])
    with pytest.raises(StageError, match="the loss is inf at step 2"):
        train(check, [float("nan")], first=4)


@pytest.mark.parametrize("hook", ["on_validation_start", "on_train_epoch_end", "on_save_checkpoint"])
def test_nothing_is_measured_or_saved_after_a_loss_that_is_not_finite(hook: str) -> None:
    check = FiniteLoss(every=100)
    train(check, [0.5, float("nan")])
    with pytest.raises(StageError, match="the loss is nan at step 2"):
        getattr(check, hook)(None, None)
