"""The `train` section's optimizer and learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import torch
from torch import nn

from mlspec.sections.train import TrainSpec

ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1 / 250_000
"""Factors of the maximum rate, as in PyTorch's OneCycleLR: initial = max / 25, final = initial / 10 000."""
_NONE: Final[Mapping[torch.Tensor, nn.Parameter]] = MappingProxyType({})


def optimizers(
    network: nn.Module, train: TrainSpec, steps: int, instead: Mapping[torch.Tensor, nn.Parameter] = _NONE
) -> dict[str, object]:
    """The return value of `configure_optimizers`; `steps` is the number of optimizer steps of the whole run.

    `instead`: parameters that are trained in place of some of the network's.
    """
    settings = train.optimizer
    # No weight decay for biases and normalisation parameters, as is common practice.
    decayed = [instead.get(p, p) for p in with_decay(network)]
    plain = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    fused, device = _fused(network, train), next(network.parameters()).device
    if settings.type == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(
            groups, lr=train.learning_rate, momentum=settings.momentum, fused=fused
        )
    else:
        betas, rate = (settings.beta1, settings.beta2), train.learning_rate
        graphs = bool(fused) and device.type == "cuda"
        lr = torch.tensor(rate, device=device, dtype=torch.float32) if graphs else rate
        optimizer = torch.optim.AdamW(groups, lr=lr, betas=betas, fused=fused, capturable=graphs)
    if train.precision == "bf16-mixed":
        # Nothing is scaled, but Lightning refuses to clip the gradients of an optimizer that could unscale them.
        optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
    share = train.schedule.warmup or (0.3 if train.schedule.type == "one-cycle" else 0.0)
    warmup = round(share * steps)
    schedule = scheduled(optimizer, train.learning_rate, lambda step: factor(train.schedule.type, step, warmup, steps))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def with_decay(network: nn.Module) -> list[nn.Parameter]:
    """The parameters with weight decay, which are the first of the optimizer."""
    return [p for p in network.parameters() if p.requires_grad and p.ndim > 1]


def scheduled(
    optimizer: torch.optim.Optimizer, rate: float, factor: Callable[[int], float]
) -> torch.optim.lr_scheduler.LambdaLR:
    """The schedule `rate * factor(step)`. A rate in the memory of a device, which graphs read, is written there."""
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            # Computed in Python: multiplying tensors would take kernels and wait for what a checkpoint restores.
            group["initial_lr"] = rate
            group["lr"].fill_(rate * factor(0))
            schedule.base_lrs = [rate] * len(optimizer.param_groups)
    return schedule


def on_device(optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Move the learning rate, which a checkpoint restores on the CPU, to the device."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"] = group["lr"].to(device)


def _fused(network: nn.Module, train: TrainSpec) -> bool | None:
    """True if one kernel can update all parameters; None for torch's default.

    With 16-mixed such an optimizer also unscales the gradients, after which they cannot be clipped.
    """
    clipped = train.precision == "16-mixed" and train.gradient_clip > 0
    return True if next(network.parameters()).device.type in ("cpu", "cuda") and not clipped else None


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
