"""Compares what `forward` gets in training and validation with what evaluation, export and serving give it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from mlspec.errors import StageError
from mlspec.learning.expected_inputs import ExpectedInputs
from mlspec.learning.indexed_batches import batches, trained_on, undisturbed
from mlspec.learning.inputs import Given, differing, in_part, of_tensors, rounded, share_known, trimmed
from mlspec.stage_result import warn

SAME = 0.5
"""Share of a batch's rows that are rows of the data: from here on both come from one preparation."""
OVERLAP = 0.05
"""Share of the test rows that are trained on, from which on training stops; below it may be chance."""


@dataclass(frozen=True)
class Phase:
    """What calls `forward`: a step of the module with batches of a split."""

    name: str
    split: str
    step: str


TRAINING = Phase("training", "train", "training_step")
VALIDATION = Phase("validation", "valid", "validation_step")


class FirstBatch(pl.Callback):
    """Watches the calls of `forward` in the first epoch: the first in training and in validation are compared.

    The rows of all calls in training are looked up in test. It draws no batch of its own, so that training runs as
    without it.
    """

    def __init__(self, expected: ExpectedInputs) -> None:
        self.expected = expected
        self.compared: set[Phase] = set()
        self.batch: Any = None
        self.seen: set[bytes] = set()
        self.looked_up = False
        self.kinds: dict[str, torch.dtype] = {}
        self.hook: Any = None

    @property
    def own_rows(self) -> bool:
        """Whether the training rows come from a data module of the project."""
        return self.expected.model.datamodule is not None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look the rows of an indexable dataset up in test, and watch `forward` from here on."""
        if self.own_rows:
            self._look_up_before(trainer.train_dataloader, pl_module)
        self.hook = pl_module.register_forward_pre_hook(self._called, with_kwargs=True)

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, *_: Any) -> None:
        """Keep the batch of a training step that does not call `forward`."""
        self.batch = None if TRAINING in self.compared else batch

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Compare the batch itself where `forward` was not called."""
        self._without_forward(TRAINING, pl_module)

    def on_validation_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, *_: Any, **__: Any
    ) -> None:
        """Keep the batch of a validation step that does not call `forward`."""
        self.batch = None if VALIDATION in self.compared else batch

    def on_validation_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any, **__: Any) -> None:
        """Compare the batch itself where `forward` was not called."""
        self._without_forward(VALIDATION, pl_module)

    def _without_forward(self, phase: Phase, module: pl.LightningModule) -> None:
        if phase not in self.compared and self.own_rows and self.hook is not None:
            self._compare(phase, _of_batch(module, self.batch, self.expected.preprocess.names))
        self.batch = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After the first epoch: which rows of the test split were among them?"""
        if self.hook is not None:
            self.hook.remove()
            self.hook = None
            if self.seen and not self.looked_up:
                self._look_up(self.seen, self.kinds, self._steps, "after the first epoch")

    def _called(self, module: pl.LightningModule, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        trainer = module.trainer
        phase = TRAINING if trainer.training else VALIDATION if trainer.validating else None
        # In several processes Lightning calls `training_step` by way of a `forward` of its own.
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

    def _given(self, inputs: Mapping[str, Any]) -> Given:
        """The rows of a batch."""
        return Given(trimmed(of_tensors(inputs).features, self._varying))

    def _prepared(self, features: Sequence[Any], kinds: Mapping[str, torch.dtype]) -> Given:
        """Rows of a split."""
        return rounded(trimmed(features, self._varying), kinds)

    @cached_property
    def _steps(self) -> dict[str, Any]:
        return self._prepared(self.expected.rows["train"].features, self.kinds).steps()

    def _compare(self, phase: Phase, inputs: Mapping[str, Any] | None) -> None:
        self.compared.add(phase)
        call = f"call self(...) in {phase.step} with tensors named {', '.join(self.expected.preprocess.names)}"
        if inputs is None:
            self._refuse(f"{phase.step} does not call forward, so that its inputs cannot be compared", call)
            return
        strange = {name: type(v).__name__ for name, v in inputs.items() if not isinstance(v, Tensor)}
        wanted = self.expected.preprocess.names
        if strange or set(inputs) != set(wanted):
            given = ", ".join(f"{name} ({strange[name]})" if name in strange else name for name in inputs) or "no input"
            what = f"{phase.name} calls forward with {given}; evaluation, export and serving with {', '.join(wanted)}"
            self._refuse(what, call)
            return
        if not self.kinds:
            self.kinds = {name: tensor.dtype for name, tensor in inputs.items()}
        self._values(phase, self._given(inputs))

    def _values(self, phase: Phase, given: Given) -> None:
        keys = given.keys(self._steps)
        known = {
            k
            for rows in self.expected.rows.values()
            for k in self._prepared(rows.features, self.kinds).keys(self._steps)
        }
        if share_known(keys, known) >= SAME:
            return
        wanted = self._prepared(self.expected.rows[phase.split].features, self.kinds)
        otherwise = rounded(self.expected.prepared_otherwise(), self.kinds)
        steps = otherwise.steps()
        likely = share_known(given.keys(steps), otherwise.keys(steps)) >= SAME
        names = differing(given, wanted) or [n for n in given.names if likely and n in steps]
        names = names or in_part(given, wanted, self._steps, SAME)
        if not names:
            return
        head = (
            f"forward gets other inputs in {phase.name} than in evaluation, export and serving "
            f"(model.preprocess: {self.expected.declared})"
        )
        lines = [head]
        for name in names:
            lines.append(f"{name} in {phase.name}: {given.described(name)}")
            lines.append(f"{name} in evaluation: {wanted.described(name)}")
        self._refuse("\n  ".join(lines), self._way(phase, likely or not differing(given, otherwise)))

    def _way(self, phase: Phase, otherwise: bool) -> str:
        expected = self.expected
        if phase == VALIDATION and expected.model.datamodule is not None:
            return f"let val_dataloader of {expected.model.datamodule} prepare its rows as train_dataloader does"
        if otherwise and phase == TRAINING:
            return f"set model.preprocess: {expected.other}, which gives evaluation what training has"
        source = expected.model.datamodule
        if source is None:
            return f"let {phase.step} give forward the inputs of the batch as they are"
        if expected.model.prepares:
            return (
                f"let {source} take the argument `preprocess`, and prepare its rows with it, as evaluation does: "
                + _WITH_IT
            )
        if expected.declared == "none":
            return f"let {source} give forward the values as they stand in artifacts/data/train.parquet"
        return f"let {source} take the argument `preprocess`, and prepare artifacts/data/train.parquet with it"

    def _look_up_before(self, loader: Any, module: pl.LightningModule) -> None:
        """Compare the rows of the loader's dataset with the test split, where they are certain to be trained on."""
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

    def _look_up(self, seen: set[bytes], kinds: Mapping[str, torch.dtype], steps: Mapping[str, Any], when: str) -> None:
        """Compare rows that are trained on with those of the test split. Done, where they are rows of the data."""
        keys = {split: set(self._prepared(r.features, kinds).keys(steps)) for split, r in self.expected.rows.items()}
        self.looked_up = share_known(list(seen), set().union(*keys.values())) >= SAME
        alone = keys.get("test", set()) - keys["train"] - keys["valid"]
        found = len(alone & seen)
        if not found:
            return
        self.looked_up = True
        source = self.expected.model.datamodule
        what = (
            f"{found} of {len(alone)} rows of the test split are among the rows that {source} trains on (found {when})"
        )
        if found >= OVERLAP * len(alone):
            help = "train on artifacts/data/train.parquet, validate on artifacts/data/valid.parquet"
            self._refuse(f"{what}, so that evaluate would be too optimistic", help)
        else:
            warn(what)

    def _refuse(self, what: str, help: str) -> None:
        if self.expected.model.compare_inputs:
            raise StageError(what, help=f"{help}; if it is intended, set model.compare_inputs: false")
        warn(what)


_WITH_IT = "preprocess.collate(preprocess.features(rows)), with rows of artifacts/data/train.parquet"


def _named(module: pl.LightningModule, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a call of `forward` by the names of its parameters."""
    signature = inspect.signature(module.forward)
    found: dict[str, Any] = {}
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        found |= value if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD else {name: value}
    return {name: value for name, value in found.items() if value is not None}


def _of_batch(module: pl.LightningModule, batch: Any, names: Sequence[str]) -> dict[str, Any] | None:
    """The inputs of a batch, by name or in the order of `forward`; None where it is not clear which they are."""
    first = batch[0] if isinstance(batch, list | tuple) and batch else batch
    if isinstance(first, Mapping):
        found = {name: first[name] for name in names if name in first}
        return found if len(found) == len(names) else None
    if not isinstance(batch, list | tuple) or not isinstance(first, Tensor):
        return None
    parameters = list(inspect.signature(module.forward).parameters)
    pairs = dict(zip(parameters, batch, strict=False))
    return {name: pairs[name] for name in names} if set(names) <= set(pairs) else None
