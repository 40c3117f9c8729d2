"""Compares the inputs of `forward` in training and validation with those in evaluation, export and serving."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from mlspec.errors import StageError
from mlspec.learning.expected_inputs import ExpectedInputs
from mlspec.learning.indexed_batches import batches, trained_on, undisturbed
from mlspec.learning.inputs import PreparedRows, differing, in_part, of_tensors, rounded, share_known, trimmed
from mlspec.runtime.preprocess.base import Array, Feature
from mlspec.stage_result import warn

SAME = 0.5
"""Share of a batch's rows that occur in the data, from which on both have the same preprocessing."""
OVERLAP = 0.05
"""Share of test rows among the training rows, from which on training stops; a smaller share may be a coincidence."""


@dataclass(frozen=True)
class Phase:
    """A phase in which `forward` is called: its name, its split and its step method."""

    name: str
    split: str
    step: str


TRAINING = Phase("training", "train", "training_step")
VALIDATION = Phase("validation", "valid", "validation_step")


class FirstBatch(pl.Callback):
    """Compares the inputs of the first call of `forward` in training and in validation.

    The rows of all training calls of the first epoch are also searched in the test split. It draws no batches itself,
    so that training is the same as without it.
    """

    def __init__(self, expected: ExpectedInputs) -> None:
        self.expected = expected
        self.compared: set[Phase] = set()
        self.batch: object = None
        self.seen: set[bytes] = set()
        self.looked_up = False
        self.kinds: dict[str, torch.dtype] = {}
        self.hook: RemovableHandle | None = None

    @property
    def own_rows(self) -> bool:
        """Whether the training rows come from the user's data module."""
        return self.expected.model.loader is not None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Search the rows of an indexable dataset in the test split, and register the hook of `forward`."""
        if self.own_rows:
            self._look_up_before(trainer.train_dataloader, pl_module)
        self.hook = pl_module.register_forward_pre_hook(self._called, with_kwargs=True)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, *_: object
    ) -> None:
        """Keep the batch of a training step that does not call `forward`."""
        self.batch = None if TRAINING in self.compared else batch

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Compare the batch itself if `forward` was not called."""
        self._without_forward(TRAINING, pl_module)

    def on_validation_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, *_: object, **__: object
    ) -> None:
        """Keep the batch of a validation step that does not call `forward`."""
        self.batch = None if VALIDATION in self.compared else batch

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object, **__: object
    ) -> None:
        """Compare the batch itself if `forward` was not called."""
        self._without_forward(VALIDATION, pl_module)

    def _without_forward(self, phase: Phase, module: pl.LightningModule) -> None:
        if phase not in self.compared and self.own_rows and self.hook is not None:
            self._compare(phase, _of_batch(module, self.batch, self.expected.preprocess.names))
        self.batch = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After the first epoch, search the rows that were trained on in the test split."""
        if self.hook is not None:
            self.hook.remove()
            self.hook = None
            if self.seen and not self.looked_up:
                self._look_up(self.seen, self.kinds, self._steps, "after the first epoch")

    def _called(self, module: pl.LightningModule, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        trainer = module.trainer
        phase = TRAINING if trainer.training else VALIDATION if trainer.validating else None
        # In distributed training Lightning wraps `training_step` in its own `forward`.
        if phase is None or getattr(module.forward, "__func__", None) is not type(module).forward:
            return
        try:
            inputs = _named(module, args, kwargs)
        except TypeError:
            return  # the call itself fails with a better message
        if phase not in self.compared:
            self._compare(phase, inputs)
        if (
            phase == TRAINING
            and self.own_rows
            and not self.looked_up
            and all(isinstance(v, Tensor) for v in inputs.values())
        ):
            self.seen.update(self._given(inputs).keys(self._steps))

    @property
    def _varying(self) -> Sequence[str]:
        return getattr(self.expected.preprocess, "varying", ())

    def _given(self, inputs: Mapping[str, Any]) -> PreparedRows:
        """The rows of a batch, without padding."""
        return PreparedRows(trimmed(of_tensors(inputs).features, self._varying))

    def _prepared(self, features: Sequence[Feature], kinds: Mapping[str, torch.dtype]) -> PreparedRows:
        """Rows of a split, without padding, in the precision of the batch."""
        return rounded(trimmed(features, self._varying), kinds)

    @cached_property
    def _steps(self) -> dict[str, Array]:
        return self._prepared(self.expected.rows["train"].features, self.kinds).steps()

    def _compare(self, phase: Phase, inputs: Mapping[str, object] | None) -> None:
        self.compared.add(phase)
        call = f"call self(...) in {phase.step} with the tensors {', '.join(self.expected.preprocess.names)}"
        if inputs is None:
            self._refuse(f"cannot compare the model inputs: {phase.step} does not call forward", call)
            return
        tensors = {name: value for name, value in inputs.items() if isinstance(value, Tensor)}
        strange = {name: type(value).__name__ for name, value in inputs.items() if name not in tensors}
        expected = self.expected.preprocess.names
        if strange or set(inputs) != set(expected):
            actual = (
                ", ".join(f"{name} ({strange[name]})" if name in strange else name for name in inputs) or "no input"
            )
            what = f"{phase.name} calls forward with {actual}; evaluation, export, serving with {', '.join(expected)}"
            self._refuse(what, call)
            return
        if not self.kinds:
            self.kinds = {name: tensor.dtype for name, tensor in tensors.items()}
        self._values(phase, self._given(tensors))

    def _values(self, phase: Phase, given: PreparedRows) -> None:
        keys = given.keys(self._steps)
        known = {
            k
            for rows in self.expected.rows.values()
            for k in self._prepared(rows.features, self.kinds).keys(self._steps)
        }
        if share_known(keys, known) >= SAME:
            return
        evaluation = self._prepared(self.expected.rows[phase.split].features, self.kinds)
        otherwise = rounded(self.expected.prepared_otherwise(), self.kinds)
        steps = otherwise.steps()
        likely = share_known(given.keys(steps), otherwise.keys(steps)) >= SAME
        names = differing(given, evaluation) or [n for n in given.names if likely and n in steps]
        names = names or in_part(given, evaluation, self._steps, SAME)
        if not names:
            return
        head = (
            f"the inputs of forward differ between {phase.name} and evaluation, export and serving "
            f"(model.preprocess: {self.expected.declared})"
        )
        lines = [head]
        for name in names:
            lines.append(f"{name} in {phase.name}: {given.described(name)}")
            lines.append(f"{name} in evaluation: {evaluation.described(name)}")
        self._refuse("\n  ".join(lines), self._way(phase, likely or not differing(given, otherwise)))

    def _way(self, phase: Phase, otherwise: bool) -> str:
        expected = self.expected
        if phase == VALIDATION and expected.model.loader is not None:
            return f"preprocess the rows in val_dataloader of {expected.model.loader} as in train_dataloader"
        if otherwise and phase == TRAINING:
            return f"set model.preprocess: {expected.other}, so that evaluation has the inputs of training"
        source = expected.model.loader
        if source is None:
            return f"pass the inputs of the batch unchanged to forward in {phase.step}"
        if expected.model.prepares:
            return (
                f"add the parameter `preprocess` to {source} and preprocess its rows with it, as evaluation does: "
                + _WITH_IT
            )
        if expected.declared == "none":
            return f"pass the values of artifacts/data/train.parquet unchanged to forward in {source}"
        return f"add the parameter `preprocess` to {source} and preprocess artifacts/data/train.parquet with it"

    def _look_up_before(self, loader: Any, module: pl.LightningModule) -> None:
        """Search the rows of an indexable dataset in the test split, before training starts."""
        steps = self._prepared(self.expected.rows["train"].features, {}).steps()
        indices, seen = trained_on(loader), set[bytes]()
        if indices is None:
            return
        try:
            with undisturbed(loader.dataset, loader.collate_fn):
                for batch in batches(loader, indices):
                    inputs = _of_batch(module, batch, self.expected.preprocess.names) or {"": None}
                    seen.update(self._given(inputs).keys(steps))
        except Exception:  # noqa: BLE001 - whatever a dataset raises, training will report it
            return
        self._look_up(seen, {}, steps, "before the first step")

    def _look_up(
        self, seen: set[bytes], kinds: Mapping[str, torch.dtype], steps: Mapping[str, Array], when: str
    ) -> None:
        """Search the rows that are trained on in the test split; raise StageError or warn if there are any."""
        keys = {split: set(self._prepared(r.features, kinds).keys(steps)) for split, r in self.expected.rows.items()}
        self.looked_up = share_known(list(seen), set().union(*keys.values())) >= SAME
        alone = keys.get("test", set()) - keys["train"] - keys["valid"]
        count = len(alone & seen)
        if not count:
            return
        self.looked_up = True
        source = self.expected.model.loader
        what = f"{count} of {len(alone)} rows of the test split are in the training rows of {source} (detected {when})"
        if count >= OVERLAP * len(alone):
            help = "train on artifacts/data/train.parquet, validate on artifacts/data/valid.parquet"
            self._refuse(f"{what}, so the test metrics would be too optimistic", help)
        else:
            warn(what)

    def _refuse(self, what: str, help: str) -> None:
        if self.expected.model.compare_inputs:
            raise StageError(what, help=f"{help}; if it is intended, set model.compare_inputs: false")
        warn(what)


_WITH_IT = "preprocess.collate(preprocess.features(rows)), with rows of artifacts/data/train.parquet"


def _named(module: pl.LightningModule, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
    """The inputs of a call of `forward`, by parameter name."""
    signature = inspect.signature(module.forward)
    named: dict[str, object] = {}
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        named |= value if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD else {name: value}
    return {name: value for name, value in named.items() if value is not None}


def _of_batch(module: pl.LightningModule, batch: object, names: Sequence[str]) -> dict[str, object] | None:
    """The inputs of a batch, by name or in the order of `forward`; None if they cannot be identified."""
    first = batch[0] if isinstance(batch, list | tuple) and batch else batch
    if isinstance(first, Mapping):
        named = {name: first[name] for name in names if name in first}
        return named if len(named) == len(names) else None
    if not isinstance(batch, list | tuple) or not isinstance(first, Tensor):
        return None
    parameters = list(inspect.signature(module.forward).parameters)
    pairs = dict(zip(parameters, batch, strict=False))
    return {name: pairs[name] for name in names} if set(names) <= set(pairs) else None
