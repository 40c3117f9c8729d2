"""A learning rate in the memory of a device follows the schedule of one in Python, also after a resume."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from mlspec.learning.optimize import factor, on_device, optimizers, scheduled  # noqa: E402
from mlspec.sections.train import Schedule, TrainSpec  # noqa: E402

STEPS = 20


def rates(in_tensor: bool, restored: int | None = None) -> list[float]:
    """The rates of all steps; after `restored` of them the optimizer is loaded from its state."""
    rate, parameter = 3e-4, torch.nn.Parameter(torch.ones(2))
    results: list[float] = []
    state = None
    for part in (range(restored or 0), range(restored or 0, STEPS)):
        optimizer = torch.optim.SGD([parameter], lr=torch.tensor(rate) if in_tensor else rate)
        schedule = scheduled(optimizer, rate, lambda step: factor("cosine", step, 4, STEPS))
        if state is not None:
            optimizer.load_state_dict(state[0])
            schedule.load_state_dict(state[1])
            on_device(optimizer, torch.device("cpu"))
        for _ in part:
            results.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            schedule.step()
        state = optimizer.state_dict(), schedule.state_dict()
    return results


def test_a_rate_on_a_device_follows_the_schedule() -> None:
    assert rates(True) == pytest.approx(rates(False), rel=1e-6)


def test_a_restored_learning_rate_continues_with_the_same_bits() -> None:
    assert rates(True, 7) == rates(True)


def test_on_a_cpu_the_rate_is_a_number() -> None:
    train = TrainSpec(learning_rate=0.1, schedule=Schedule(type="linear"))
    created = optimizers(torch.nn.Linear(2, 2), train, 10)
    optimizer = created["optimizer"]
    assert isinstance(optimizer, torch.optim.AdamW)
    assert [(g["lr"], g["fused"], g["capturable"]) for g in optimizer.param_groups] == [(0.1, True, False)] * 2
