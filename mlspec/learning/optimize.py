"""The `train` section's optimizer and learning-rate schedule."""

from __future__ import annotations

import math

import torch
from torch import nn

from mlspec.sections.train import TrainSpec

ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1 / 250_000
"""Factors of the maximum rate, as in PyTorch's OneCycleLR: initial = max / 25, final = initial / 10 000."""


def optimizers(network: nn.Module, train: TrainSpec, steps: int) -> dict[str, object]:
    """The return value of `configure_optimizers`; `steps` is the number of optimizer steps of the whole run."""
    settings = train.optimizer
    # No weight decay for biases and normalisation parameters, as is common practice.
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    fused = _fused(network, train)
    if settings.type == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(
            groups, lr=train.learning_rate, momentum=settings.momentum, fused=fused
        )
    else:
        betas = (settings.beta1, settings.beta2)
        optimizer = torch.optim.AdamW(groups, lr=train.learning_rate, betas=betas, fused=fused)
    if train.precision == "bf16-mixed":
        # Nothing is scaled, but Lightning refuses to clip the gradients of an optimizer that could unscale them.
        optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
    share = train.schedule.warmup or (0.3 if train.schedule.type == "one-cycle" else 0.0)
    warmup = round(share * steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: factor(train.schedule.type, step, warmup, steps)
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _fused(network: nn.Module, train: TrainSpec) -> bool | None:
    """True if one kernel can update all parameters; None for torch's default.

    With 16-mixed such an optimizer also unscales the gradients, after which they cannot be clipped.
    """
    clipped = train.precision == "16-mixed" and train.gradient_clip is not None
    return True if next(network.parameters()).device.type == "cuda" and not clipped else None


def factor(kind: str, step: int, warmup: int, steps: int) -> float:
    """The factor of the learning rate at `step` of `steps`."""
    if kind == "one-cycle" and step < warmup:
        return _between(ONE_CYCLE_START, 1.0, step / warmup)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    match kind:
        case "one-cycle":
            return _between(1.0, ONE_CYCLE_END, done)
        case "linear":
            return 1 - done
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * done))
        case _:
            return 1.0


def _between(start: float, end: float, done: float) -> float:
    """Cosine interpolation from `start` to `end`; `done` is from 0 to 1."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * done))
