"""Trains only the rows of a word embedding that the training texts read, with the same result.

Half of the parameters of a small encoder are words, most of which a small data set does not have. AdamW changes the row
of such a word by the weight decay alone, which is a factor for each step. It is applied when the row is read, in
validation and in a checkpoint, where everything has the shapes of a training of the whole table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor, nn
from torch.nn import functional

from mlspec.learning.networks import FULL_ATTENTION, PretrainedNetwork, TextNetwork
from mlspec.runtime.preprocess.base import Array
from mlspec.sections.train import TrainSpec

LEAST: Final = 1 << 20
"""Smallest number of parameters of a table of which only some rows are trained."""
SHARE: Final = 1 / 2
"""Largest share of its rows."""
_BLOCK: Final = 1 << 16
"""Number of parameters that decay together: they stay in the cache of a core."""
_MOMENTS: Final = ("exp_avg", "exp_avg_sq")


class WordRows:
    """The rows of an embedding that training reads, as a parameter of their own."""

    def __init__(self, table: nn.Embedding, rows: Tensor) -> None:
        """`rows`: sorted row numbers."""
        self.table, self.rows = table, rows
        self.parameter = nn.Parameter(torch.empty(0))
        self.places = torch.full((table.num_embeddings,), -1, dtype=torch.int64)
        """Of each row of the table the row of the parameter; -1, for which torch raises, where there is none."""
        self.places[rows] = torch.arange(len(rows))
        self.others = (self.places < 0).nonzero().squeeze(1)
        place = -1 if table.padding_idx is None else int(self.places[table.padding_idx])
        self._padding = None if place == -1 else place
        self._decays: list[float] = []
        """The factors of the steps since the table was last written."""
        self._current = True
        self._hooks: list[Any] = []

    def begin(self) -> dict[Tensor, nn.Parameter]:
        """Take the values of the table. Returns which parameter is trained in place of which."""
        self.parameter = nn.Parameter(self.table.weight.detach()[self.rows])
        return {self.table.weight: self.parameter}

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Let the forward pass of training read the parameter, which `optimizer` updates."""
        groups = optimizer.param_groups
        number = next(at for at, group in enumerate(groups) if any(p is self.parameter for p in group["params"]))

        def stepped(optimizer: torch.optim.Optimizer, *_: object) -> None:
            self._current = False
            group = optimizer.param_groups[number]  # another one once a state is loaded
            decay = 1 - group["lr"] * group["weight_decay"]
            if decay != 1:
                self._decays.append(decay)

        self._hooks = [
            optimizer.register_step_post_hook(stepped),
            self.table.register_state_dict_pre_hook(lambda *_: self.write()),  # type: ignore[no-untyped-call]
        ]
        self.table.forward = self._forward  # type: ignore[method-assign,assignment]

    def end(self) -> None:
        """Write the table, and let it be an embedding again."""
        self.write()
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self.table.__dict__.pop("forward", None)

    def _forward(self, ids: Tensor) -> Tensor:
        if self.table.training:
            return functional.embedding(self.places[ids], self.parameter, self._padding)
        self.write()
        return functional.embedding(ids, self.table.weight)

    @torch.no_grad()
    def write(self) -> None:
        """Give the table the values that training all of its rows would give it, bit for bit."""
        if self._current:
            return
        weight = self.table.weight
        weight.index_copy_(0, self.rows, self.parameter)
        blocks = torch.split(self.others, max(1, _BLOCK // weight.shape[1])) if self._decays else ()
        for rows in blocks:
            block = weight[rows]
            for decay in self._decays:
                block.mul_(decay)
            weight.index_copy_(0, rows, block)
        self._decays, self._current = [], True

    def widen(self, optimizer: Mapping[str, Any], index: int) -> dict[str, Any]:
        """The state of an optimizer with the moments of all rows; those that training does not read have none."""
        return {**optimizer, "state": {**optimizer["state"], **self._converted(optimizer, index, self._wide)}}

    def narrow(self, optimizer: MutableMapping[str, Any], index: int) -> None:
        """Reduce the state of an optimizer to the moments of the rows that training reads."""
        optimizer["state"] |= self._converted(optimizer, index, lambda moment: moment[self.rows])

    def _converted(self, optimizer: Mapping[str, Any], index: int, convert: Any) -> dict[int, dict[str, Any]]:
        state = optimizer["state"].get(index)
        if state is None:  # no step yet
            return {}
        return {index: {name: convert(value) if name in _MOMENTS else value for name, value in state.items()}}

    def _wide(self, moment: Tensor) -> Tensor:
        return moment.new_zeros(self.table.weight.shape).index_copy_(0, self.rows, moment)


def used_rows(
    network: nn.Module, trainer: pl.Trainer, train: TrainSpec, texts: Iterable[Array], padding: int
) -> WordRows | None:
    """The rows of the words in `texts` and of `padding`; None where training all rows is as fast, or has to be."""
    table = _table(network)
    if table is None or table.weight.numel() < LEAST or not _possible(trainer, train):
        return None
    read = np.zeros(table.num_embeddings, dtype=np.bool_)
    read[padding] = True
    for ids in texts:
        if ids.max(initial=0) >= len(read):
            return None
        read[ids] = True
    rows = torch.from_numpy(read.nonzero()[0])
    return WordRows(table, rows) if len(rows) <= SHARE * table.num_embeddings else None


def _possible(trainer: pl.Trainer, train: TrainSpec) -> bool:
    """Whether the step of the optimizer is known: AdamW on one processor."""
    return (
        type(trainer.strategy) is SingleDeviceStrategy
        and trainer.strategy.root_device.type == "cpu"
        and train.optimizer.type == "adamw"
        and train.compile != "inductor"
        and train.precision in ("32-true", "bf16-mixed")
    )


def _table(network: nn.Module) -> nn.Embedding | None:
    """The embedding of words of a known network, if training changes it."""
    table: object = None
    if isinstance(network, TextNetwork):
        table = network.tokens
    elif isinstance(network, PretrainedNetwork):
        encoder: Any = network.encoder
        known = getattr(getattr(encoder, "config", None), "model_type", "") in FULL_ATTENTION
        table = encoder.get_input_embeddings() if known else None
    if type(table) is not nn.Embedding or not table.weight.requires_grad:
        return None
    plain = table.max_norm is None and not table.scale_grad_by_freq and not table.sparse
    uses = [m for m in network.modules() for p in m.parameters(recurse=False) if p is table.weight]
    return table if plain and len(uses) == 1 else None
