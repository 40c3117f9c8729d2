"""How training steps run on the device: torch's switches, and the forms of `train.compile`."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch import nn

from mlspec.learning import ranks
from mlspec.learning.attention_dropout import quicken_attention
from mlspec.learning.dropout import quicken
from mlspec.learning.inductor import compile_module
from mlspec.learning.learner import Learner
from mlspec.learning.networks import ImageNetwork, PretrainedNetwork, TextNetwork
from mlspec.learning.step_graphs import StepGraphs
from mlspec.sections.train import TrainSpec
from mlspec.stage_result import decide, warn


def switches(train: TrainSpec, device: torch.device) -> None:
    """Set torch's switches for a training on `device`."""
    if train.deterministic:
        # The algorithms stay deterministic. Filling each empty tensor only helps to find the use of one.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision("high" if train.tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = train.tf32
    if device.type == "cuda":
        # cuDNN's attention makes a plan for each new shape, which takes seconds.
        torch.backends.cuda.enable_cudnn_sdp(False)
        warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype")


def accelerate(module: pl.LightningModule, trainer: pl.Trainer, train: TrainSpec) -> str:
    """Apply `compile` and `gradient_checkpointing` to a module, and say why where it is not possible.

    Returns how steps run: `graphs`, `inductor` or `off`.
    """
    if train.gradient_checkpointing:
        _checkpointing(module)
    if isinstance(module, Learner) and trainer.strategy.root_device.type == "cpu" and train.compile != "inductor":
        _with_quick_dropout(of(module), trainer)
    if isinstance(of(module), ImageNetwork) and trainer.strategy.root_device.type == "cpu":
        # oneDNN convolves a third faster where the channels of a pixel lie side by side.
        of(module).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    match train.compile:
        case "inductor":
            compile_module(of(module), train.deterministic)
            return "inductor"
        case "graphs" | "auto":
            reason = not_recordable(module, trainer, train)
            if reason is None and isinstance(module, Learner):
                module.graphs = StepGraphs(module.network, module.loss, train.batch_size)
                return "graphs"
            if train.compile == "graphs":
                warn(f"train.compile: graphs is not possible: {reason}", "set train.compile: auto")
            elif trainer.strategy.root_device.type == "cuda" and ranks.first():
                decide(f"train.compile: no CUDA graphs, because {reason}")
        case "off":
            pass
    return "off"


def _with_quick_dropout(network: nn.Module, trainer: pl.Trainer) -> None:
    quicken(network)
    if trainer.world_size == 1:  # the library of a process that Lightning starts does not have this attention
        quicken_attention(network)


def of(module: pl.LightningModule) -> nn.Module:
    """The network that computes the outputs: of mlspec's models, or the project's module itself."""
    return module.network if isinstance(module, Learner) else module


def applied(module: pl.LightningModule, compiled: str) -> str:
    """How steps ran after `accelerate` returned `compiled`: `off` where recording or compiling failed."""
    failed = {
        "graphs": isinstance(module, Learner) and module.graphs is None,
        "inductor": of(module)._compiled_call_impl is None,
    }
    return "off" if failed.get(compiled) else compiled


def not_recordable(module: pl.LightningModule, trainer: pl.Trainer, train: TrainSpec) -> str | None:
    """Why training steps cannot be recorded as CUDA graphs; None if nothing known prevents it."""
    device = trainer.strategy.root_device
    if device.type != "cuda":
        return f"they need an NVIDIA GPU, and training runs on {'the processor' if device.type == 'cpu' else 'MPS'}"
    if not isinstance(module, Learner):
        return f"the steps of {type(module).__name__}, a module of the project, may do anything"
    if trainer.world_size > 1:
        return f"training runs on {trainer.world_size} devices"
    if train.accumulate > 1:
        return f"gradients are accumulated over {train.accumulate} batches (train.accumulate)"
    if train.precision == "16-mixed":
        return "16-mixed scales each loss (train.precision)"
    if train.gradient_checkpointing:
        return "activations are recomputed (train.gradient_checkpointing)"
    return None


def _checkpointing(module: pl.LightningModule) -> None:
    network = of(module)
    match network:
        case TextNetwork():
            network.recompute = True
        case PretrainedNetwork() if (enable := _recomputing(network.encoder)) is not None:
            enable({"use_reentrant": False})
        case _:
            name = type(network).__name__
            warn(f"train.gradient_checkpointing has no effect on {name}", "remove it")


def _recomputing(encoder: nn.Module) -> Callable[[dict[str, bool]], object] | None:
    """The method of an encoder that does it, by its name in this release of transformers; None if it has none."""
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")
    return next((method for name in names if callable(method := getattr(encoder, name, None))), None)
