"""Searches batch size and learning rate before training (`train.tune`). Each trial has a module of its own."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.memory import is_cudnn_snafu
from pytorch_lightning.utilities.parsing import lightning_hasattr
from torch.utils.data import DataLoader

from mlspec.errors import StageError
from mlspec.job import Job, user_code
from mlspec.learning import ranks
from mlspec.learning.acceleration import accelerate, switches
from mlspec.learning.batch_search import LongestRows, search
from mlspec.learning.batch_source import source
from mlspec.learning.batches import Batch, Buckets, lengths
from mlspec.learning.build import custom
from mlspec.learning.devices import name_of
from mlspec.learning.gradient_shares import shared
from mlspec.learning.host_memory import HostMemory, resident
from mlspec.learning.memory_limit import MARGIN
from mlspec.learning.out_of_memory import out_of_memory
from mlspec.learning.packed_rows import available
from mlspec.learning.rate_search import LEAST, RangeTest, steepest
from mlspec.learning.split_rows import Rows
from mlspec.parts.train.fitting import configuration_errors, memory_errors
from mlspec.parts.train.minimum_rows import single_rows
from mlspec.parts.train.tuned_values import RATES, sized
from mlspec.records.schema import Schema
from mlspec.records.training import Tuned
from mlspec.runtime.preprocess import Preprocess
from mlspec.sections.model import Custom, ModelSpec, TextClassifier
from mlspec.sections.train import BatchSizeSearch, LearningRateSearch, TrainSpec
from mlspec.stage_result import warn

TRIAL: Final = 3
"""Steps of a trial: one without state of the optimizer, one that is recorded as a CUDA graph, one that replays it."""

Precision = Literal["32-true", "bf16-mixed"]
Make = Callable[[Job], pl.LightningModule]


@dataclass(frozen=True)
class Material:
    """What a training is made of, beside its settings."""

    rows: Mapping[str, Rows]
    preprocess: Preprocess
    make: Make
    """Creates a new module with the settings of a job."""
    scratch: Path
    """The folder of the checkpoint."""
    vocab: int = 0
    """The number of words; 0 without texts."""

    @property
    def shapes(self) -> list[object]:
        """What the time of a step depends on: the inputs of a row, lengths of texts to a digit, words."""
        rows = self.rows["train"]
        sizes = lengths(rows, self.preprocess)
        inputs = [[name, str(array.dtype), array.shape[1:]] for name, array in rows.features[0].items()]
        widths = [array.size for array in rows.features[0].values()] if max(sizes) == 1 else []
        return [inputs, widths, max(sizes), float(f"{sum(sizes) / len(sizes):.1g}"), self.vocab]


class Search:
    """Searches with the settings of a job."""

    def __init__(self, job: Job, material: Material) -> None:
        self.job, self.material = job, material
        self.train = job.need(TrainSpec)
        model = job.need(ModelSpec)
        self.model = model if isinstance(model, Custom) else None
        self.recomputes = isinstance(model, TextClassifier)

    def batch_size(self, options: BatchSizeSearch) -> Tuned:
        """The largest batch size that fits."""
        rows = len(self.material.rows["train"])
        # A larger batch would leave fewer batches than gradients are accumulated over.
        most = min(options.max, max(1, rows // self.train.accumulate))
        device = self._trainer(1).strategy.root_device
        host = HostMemory(available(), resident) if device.type == "cpu" else None

        def fits(size: int) -> bool:
            tried = size + -(-size // MARGIN)
            if host is None:
                fit = self._trial(tried)
            else:
                fit = host.allows(tried) and host.measured(tried, lambda: self._trial(tried))
            print(f"a batch of {size} rows {'fits' if fit else 'does not fit'}", flush=True)
            return fit

        result = search(fits, options.mode, self.train.batch_size, most)
        if result is None:
            raise StageError(
                f"train.tune.batch_size: not even a batch of one row fits in the memory of {name_of(device)}",
                help="use a smaller model or inputs, train.precision bf16-mixed, or train.gradient_checkpointing",
            )
        size, failed = result
        limit = "memory" if failed else "max" if most == options.max else "rows"
        if limit == "rows" and rows // size < 10:
            few = f"a batch of {size} rows leaves {-(-rows // size)} steps in an epoch of {rows} rows"
            warn(f"train.tune.batch_size: {few}", f"set train.tune.batch_size.max: {max(1, rows // 20)}")
        return Tuned(batch_size=size, batch_size_limit=limit)

    def _trial(self, size: int) -> bool:
        """Whether a few steps of the longest rows fit in the memory."""
        fits = True
        try:
            self._few_steps(self._with(batch_size=size))
        except (RuntimeError, MemoryError) as error:
            if not _too_large(error):
                raise
            fits = False
        # Outside of the handler, whose traceback holds the tensors of the failed step.
        _free()
        return fits

    def _few_steps(self, job: Job) -> None:
        train, material = job.need(TrainSpec), self.material
        count = TRIAL * train.accumulate
        trainer = self._trainer(1, max_steps=TRIAL, limit_train_batches=count, limit_val_batches=0)
        module = self._module(job, trainer)
        sampler = LongestRows(lengths(material.rows["train"], material.preprocess), train.batch_size, count)
        with self._errors():
            trainer.fit(module, **self._data(job, trainer, sampler))

    def learning_rate(self, options: LearningRateSearch) -> float:
        """The rate at which the loss falls most steeply, to three digits."""
        train, material = self.train, self.material
        test = RangeTest(options.min, options.max, options.steps)
        # Each epoch has at least one step.
        trainer = self._trainer(options.steps, callbacks=[test], limit_val_batches=0)
        if trainer.world_size > ranks.count():
            raise StageError(
                f"train.tune.learning_rate: with strategy {train.strategy} a search cannot return a result",
                help="set train.strategy: auto, or train.devices: 1",
            )
        job = self._with()
        module = self._module(job, trainer)
        if self.model is not None and not any(lightning_hasattr(module, name) for name in RATES):
            raise StageError(
                f"train.tune.learning_rate: {self.model.class_} has no attribute learning_rate or lr",
                help="set self.learning_rate in its __init__, and use it in configure_optimizers",
            )
        sizes = lengths(material.rows["train"], material.preprocess)
        place = trainer.global_rank, trainer.world_size
        sampler = Buckets(sizes, train.batch_size, train.seed, *place, drop_last=train.drop_last)
        sampler.position = lambda: (trainer.current_epoch, 0)
        shared(trainer, sampler)
        if ranks.first():
            print(f"{options.steps} steps with rates from {options.min:g} to {options.max:g}", flush=True)
        with memory_errors(train, lambda: None), self._errors():
            trainer.fit(module, **self._data(job, trainer, sampler))
        del module
        _free()
        return _judged(test)

    def _with(self, **values: object) -> Job:
        """The job of a trial, without what training would warn about once more."""
        # torch.compile takes minutes for each new module, and only changes rounding.
        values["compile"] = "off" if self.train.compile in ("inductor", "off") else "auto"
        values["gradient_checkpointing"] = self.train.gradient_checkpointing and self.recomputes
        sections = self.job.sections.items()
        changed = {n: s.model_copy(update=values) if isinstance(s, TrainSpec) else s for n, s in sections}
        return replace(self.job, sections=changed)

    def _trainer(self, epochs: int, precision: Precision | None = None, **settings: Any) -> pl.Trainer:
        """A Trainer for a search; Lightning accepts no more than `epochs` of them."""
        train = self.train
        used = precision or train.precision
        with configuration_errors():
            trainer = pl.Trainer(
                default_root_dir=self.material.scratch,
                max_epochs=epochs,
                accelerator=train.accelerator,
                devices=train.devices,
                strategy=train.strategy,
                precision="32-true" if used == "auto" else used,
                gradient_clip_val=train.gradient_clip or None,
                accumulate_grad_batches=train.accumulate,
                deterministic="warn" if train.deterministic else False,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                use_distributed_sampler=False,
                **settings,
            )
        switches(train, trainer.strategy.root_device)
        if train.search and train.search.batch_size and trainer.world_size > 1:
            raise StageError(
                f"train.tune.batch_size needs one device, and training runs on {trainer.world_size}",
                help=f"search once with train.devices: 1, then set train.batch_size to {trainer.world_size} times that",
            )
        return trainer

    def _module(self, job: Job, trainer: pl.Trainer) -> pl.LightningModule:
        """A new module, with the weights that training begins with."""
        pl.seed_everything(self.train.seed, workers=True, verbose=False)
        module = self.material.make(job)
        accelerate(module, trainer, job.need(TrainSpec))
        return module

    def _data(self, job: Job, trainer: pl.Trainer, sampler: Buckets) -> dict[str, Any]:
        """The batches: of the project's data module, or of `sampler`."""
        train, rows, preprocess = job.need(TrainSpec), self.material.rows["train"], self.material.preprocess
        if self.model is not None and self.model.loader is not None:
            return {"datamodule": self._datamodule(train, preprocess)}
        loader: DataLoader[Batch] = source(
            rows, preprocess, sampler, trainer.strategy.root_device, train.workers, self.model is None
        )
        return {"train_dataloaders": loader}

    def _datamodule(self, train: TrainSpec, preprocess: Preprocess) -> pl.LightningDataModule:
        assert self.model is not None
        assert self.model.loader is not None
        schema = Schema.read(self.job.inputs)
        name, arguments = self.model.loader, self.model.datamodule_args
        datamodule: pl.LightningDataModule = custom(name, arguments, schema, self.job.root, preprocess=preprocess)
        if train.search and train.search.batch_size:
            sized(datamodule, name, train.batch_size)
        return datamodule

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Errors of the settings or of the project's code, as in training."""
        name = self.model.class_ if self.model else ""
        objects = " and ".join(filter(None, (name, self.model.loader))) if self.model else ""
        own: AbstractContextManager[None] = (
            user_code(self.job.root, "training", objects) if self.model else nullcontext()
        )
        failed: RuntimeError | MemoryError | None = None
        with ExitStack() as stack:
            for context in (_interrupts(), own, configuration_errors(name)):
                stack.enter_context(context)
            stack.enter_context(single_rows(self.train, len(self.material.rows["train"]), self.job.root))
            try:
                yield
            except (RuntimeError, MemoryError) as error:
                if not _too_large(error):
                    raise
                failed = error
        if failed is not None:
            raise failed


def _judged(test: RangeTest) -> float:
    """The rate to three digits. Raises StageError if the test shows none."""
    help = "set train.learning_rate and remove train.tune.learning_rate, or change its min, max and steps"
    rate = steepest(test.rates, test.losses)
    if rate is not None:
        return float(f"{rate:.3g}")
    if len(test.losses) < LEAST:
        help = "return the loss from training_step with automatic optimization; or " + help
    raise StageError(f"train.tune.learning_rate: the loss falls at no rate of {len(test.losses)} steps", help=help)


def _too_large(error: BaseException) -> bool:
    """Whether a batch was too large: for the memory, or for cuDNN's numbers of 32 bits."""
    return out_of_memory(error) or is_cudnn_snafu(error)


def _free() -> None:
    """Free the memory of a trial, and forget how much it was."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


@contextmanager
def _interrupts() -> Iterator[None]:
    """Lightning turns KeyboardInterrupt into SystemExit."""
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
