"""One run of Lightning's Trainer with the settings of the `train` section; resumes an interrupted run."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import Logger
from torch.utils.data import DataLoader

from mlspec.errors import StageError
from mlspec.job import Job, user_code
from mlspec.learning import ranks
from mlspec.learning.acceleration import accelerate, applied, switches
from mlspec.learning.batch_source import source
from mlspec.learning.batches import Batch, Buckets, lengths
from mlspec.learning.build import custom
from mlspec.learning.callbacks import (
    CheckpointWriter,
    Curves,
    DeviceBar,
    FiniteLoss,
    LastStep,
    TimeLimit,
    interruptible,
    position,
    saved_position,
)
from mlspec.learning.checkpoint_files import SafeCheckpoints, resumable
from mlspec.learning.device_use import DeviceTimes
from mlspec.learning.expected_inputs import ExpectedInputs
from mlspec.learning.first_batch import FirstBatch
from mlspec.learning.gradient_shares import shared
from mlspec.learning.inductor import compile_errors
from mlspec.learning.learner import Learner
from mlspec.learning.memory_limit import fitting_batch
from mlspec.learning.out_of_memory import of_host, out_of_memory
from mlspec.learning.padding import padding
from mlspec.learning.split_rows import Rows, load
from mlspec.learning.used_rows import used_rows
from mlspec.parts.evaluate import undefined_metrics
from mlspec.parts.train.logged_twice import LoggedTwice
from mlspec.parts.train.minimum_rows import single_rows
from mlspec.parts.train.monitors import MonitoredMetric, of_run
from mlspec.parts.train.tuned_values import RateUsed, sized
from mlspec.records.schema import Schema
from mlspec.records.training import Tuned
from mlspec.runtime.preprocess import Preprocess
from mlspec.sections.model import Custom, ModelSpec
from mlspec.sections.train import TrainSpec
from mlspec.spec.types import duration_seconds

_DIRECT = "2.6."
"""The releases of Lightning whose loop direct_steps extends, by names that another release may change."""
Loggers = Sequence[Logger] | Literal[False]
"""Lightning's loggers; False for none."""


class Fitting:
    """A Trainer with its callbacks."""

    def __init__(
        self,
        job: Job,
        scratch: Path,
        described: dict[str, object],
        loggers: Loggers,
        tuned: Tuned | None = None,
    ) -> None:
        """`job` has the values of `tuned` already."""
        train = job.need(TrainSpec)
        self.tuned = tuned
        self.job, self.train = job, train
        self.monitors = {m.subject: m for m in map(_with_direction, of_run(train, job.config.get("sweep")))}
        self.terminal = sys.stderr.isatty()
        model = job.need(ModelSpec)
        ours = not (isinstance(model, Custom) and model.loader)
        save = train.checkpoint
        self.keep = CheckpointWriter(
            scratch / "resume.ckpt", described, duration_seconds(save.every), save.every_steps, ours
        )
        self.times = DeviceTimes()
        self.curves = Curves(train.max_epochs, lines=not self.terminal, times=self.times)
        self.best = ModelCheckpoint(
            scratch,
            "best",
            monitor=save.monitor,
            mode=str(self.monitors["checkpoint"].mode),
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        )
        self.finite = FiniteLoss()
        most = None if train.max_time == "off" else timedelta(seconds=duration_seconds(train.max_time))
        self.limit = None if most is None else TimeLimit(most)
        self._module: pl.LightningModule | None = None
        self._compiled = "off"
        with configuration_errors():
            self.trainer = self._trainer(scratch, loggers)
        direct(self.trainer)
        device = self.trainer.strategy.root_device
        # Reading a loss waits for an accelerator, and so does what several processes agree on.
        self.waits_every(1 if device.type == "cpu" else train.log_every)
        switches(train, device)

    def _trainer(self, scratch: Path, loggers: Loggers) -> pl.Trainer:
        train = self.train
        return pl.Trainer(
            default_root_dir=scratch,
            max_epochs=train.max_epochs,
            min_epochs=0,
            max_steps=train.max_steps,
            accelerator=train.accelerator,
            devices=train.devices,
            strategy=train.strategy,
            precision="32-true" if train.precision == "auto" else train.precision,
            gradient_clip_val=train.gradient_clip or None,
            accumulate_grad_batches=train.accumulate,
            deterministic="warn" if train.deterministic else False,
            callbacks=self._callbacks(),
            logger=loggers,
            enable_progress_bar=self.terminal and ranks.first(),
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=train.log_every,
            use_distributed_sampler=False,
            plugins=[SafeCheckpoints()],
            profiler=self.times.fetching,
        )

    def _callbacks(self) -> list[pl.Callback]:
        # The order matters: at the end of an epoch CheckpointWriter saves the state of the callbacks before it.
        twice = LoggedTwice(self.monitors.values(), self.job.root)
        callbacks: list[pl.Callback] = [self.finite, self.times, twice, self.curves, self.best, self.keep]
        if self.train.max_steps > 0:
            callbacks.insert(0, LastStep(self.train.max_steps))
        model = self.job.need(ModelSpec)
        if isinstance(model, Custom) and self.tuned is not None and self.tuned.learning_rate is not None:
            callbacks.insert(0, RateUsed(self.tuned.learning_rate, model.class_))
        if self.terminal and ranks.first():
            # Each update reads the loss, which waits for the device.
            callbacks.append(DeviceBar(self.train.log_every, self.times))
        stop = self.train.stop
        if stop is not None:
            direction = str(self.monitors["early stopping"].mode)
            early_stopping = EarlyStopping(
                stop.monitor,
                stop.min_delta,
                stop.patience,
                mode=direction,
                check_finite=False,
                check_on_train_epoch_end=True,
            )
            callbacks.append(early_stopping)
        if self.limit is not None:
            callbacks.append(self.limit)
        return callbacks

    def waits_every(self, steps: int) -> None:
        """Wait for the device at most once in that many steps."""
        self.finite.every = self.keep.together = steps
        if self.limit is not None:
            self.limit.together = steps

    def fit(self, module: pl.LightningModule, rows: dict[str, Rows], preprocess: Preprocess) -> None:
        """Train, or resume training. Raises StageError for errors of the settings, the data or the user's code."""
        resume = str(self.keep.path) if self.keep.path.exists() else None
        model = self.job.need(ModelSpec)
        if resume is not None:
            resumable(self.keep.path, trust=model.trust)
        named = model.class_ if isinstance(model, Custom) else ""
        if not named:
            targets = rows["valid"].targets.tolist()
            self.curves.why = lambda name: undefined_metrics.reason(name.removeprefix("valid/"), targets)
        self._module = module
        self._compiled = accelerate(module, self.trainer, self.train)
        objects = " and ".join(filter(None, (named, model.loader))) if isinstance(model, Custom) else ""
        memory = memory_errors(self.train, lambda: self._fitting_batch(rows["train"], preprocess))
        own = user_code(self.job.root, "training", objects) if named else nullcontext()
        with interruptible(self.keep), own, configuration_errors(named), memory, compile_errors(), _first_error():
            if isinstance(model, Custom) and model.loader is not None:
                self._compare(model, rows, preprocess)
                schema = Schema.read(self.job.inputs)
                arguments = model.datamodule_args
                datamodule = custom(model.loader, arguments, schema, self.job.root, preprocess=preprocess)
                if self.tuned is not None and self.tuned.batch_size is not None:
                    sized(datamodule, model.loader, self.tuned.batch_size)
                with single_rows(self.train, 0, self.job.root, datamodule):
                    self.trainer.fit(module, datamodule=datamodule, ckpt_path=resume, weights_only=not model.trust)
                return
            if isinstance(model, Custom):
                self._compare(model, rows, preprocess)
            loaders = {split: self._loader(rows[split], preprocess, split == "train") for split in rows}
            words = self.words(module, rows["train"], preprocess)
            with single_rows(self.train, len(rows["train"]), self.job.root), words:
                self.trainer.fit(
                    module, loaders["train"], loaders["valid"], ckpt_path=resume, weights_only=not model.trust
                )

    @contextmanager
    def words(self, module: pl.LightningModule, rows: Rows, preprocess: Preprocess) -> Iterator[None]:
        """Train only the words that the rows have, where that gives the same result."""
        pads = padding(preprocess, self.trainer.strategy.root_device, own=True)
        if not isinstance(module, Learner) or pads is None or "input_ids" not in pads.values:
            yield
            return
        texts = (feature["input_ids"] for feature in rows.features)
        module.words = used_rows(module.network, self.trainer, self.train, texts, pads.values["input_ids"])
        try:
            yield
        finally:
            if module.words is not None:
                module.words.end()

    def _fitting_batch(self, rows: Rows, preprocess: Preprocess) -> int | None:
        """The batch size that fits in the memory; None if it is unknown."""
        if not isinstance(self._module, Learner):
            return None
        try:
            return fitting_batch(self._module, rows, preprocess, self.train.batch_size)
        except RuntimeError:  # the failed step may leave the device unusable, and its error counts
            return None

    def _compare(self, model: Custom, rows: Mapping[str, Rows], preprocess: Preprocess) -> None:
        """Add the callback that compares the first batch with the inputs in evaluation."""
        if model.loader is not None and (self.job.inputs / "data" / "test.parquet").exists():
            rows = {**rows, "test": load(self.job.inputs / "data", "test", preprocess, self.job.scratch)}
        folder = self.keep.path.with_name("preprocess")
        self.trainer.callbacks.insert(0, FirstBatch(ExpectedInputs(model, preprocess, rows, folder)))  # type: ignore[attr-defined]

    def _loader(self, rows: Rows, preprocess: Preprocess, shuffle: bool) -> DataLoader[Batch]:
        train, trainer = self.train, self.trainer
        sampler = Buckets(
            lengths(rows, preprocess),
            train.batch_size,
            train.seed,
            trainer.global_rank,
            trainer.world_size,
            shuffle,
            train.drop_last,
        )
        if shuffle:
            shared(trainer, sampler)
            # Lightning may create the first iterator before it reads the checkpoint; worker processes prefetch.
            start = saved_position(self.keep.path, trust=self.job.need(ModelSpec).trust)
            sampler.position = lambda: max(position(trainer), start)
        own = not isinstance(self.job.need(ModelSpec), Custom)
        return source(rows, preprocess, sampler, trainer.strategy.root_device, train.workers, own)

    @property
    def compiled(self) -> str:
        """How steps ran, as `train.compile` has it."""
        return applied(self._module, self._compiled) if self._module else "off"

    def value(self) -> float | None:
        """The best value of the sweep's metric, or of the metric that selects the checkpoint; None if undefined."""
        sweep = self.job.config.get("sweep")
        name = sweep.get("metric") if isinstance(sweep, dict) else None
        if isinstance(name, str) and name:
            values = [row[name] for row in self.curves.rows if math.isfinite(row.get(name, math.nan))]
            best = min if self.monitors["sweep"].mode == "min" else max
            return best(values) if values else None
        score = math.nan if self.best.best_model_score is None else float(self.best.best_model_score)
        return score if math.isfinite(score) else None


def direct(trainer: pl.Trainer) -> None:
    """Let a new trainer skip Lightning's hooks where it can, with a release of Lightning that has the known loop."""
    if version("pytorch-lightning").startswith(_DIRECT):
        from mlspec.learning.direct_steps import shorten

        shorten(trainer)


_METHODS = ("configure_optimizers", "training_step", "validation_step", "train_dataloader", "val_dataloader")


def _with_direction(monitor: MonitoredMetric) -> MonitoredMetric:
    """The monitor. Raises StageError if neither the spec nor the name determines which direction is better."""
    if monitor.mode is None:
        message, help = monitor.no_direction
        raise StageError(f"{monitor.subject}: {message}", help=help)
    return monitor


@contextmanager
def configuration_errors(module: str = "") -> Iterator[None]:
    """Convert configuration errors of Lightning, about settings or a method of the user's `module`, to StageErrors."""
    try:
        yield
    except MisconfigurationException as error:
        reason = str(error).split(" HINT:")[0].strip()
        help = "check accelerator, devices, strategy, precision and the monitors in the train section"
        if module and (method := next((name for name in _METHODS if name in reason), "")):
            raise StageError(f"Lightning rejected {module}: {reason}", help=f"fix its method {method}") from None
        raise StageError(f"Lightning rejected the settings: {reason}", help=help) from None


@contextmanager
def _first_error() -> Iterator[None]:
    """Raise the error of a data loader that fails to start, which an error in Lightning's teardown hides."""
    try:
        yield
    except RuntimeError as error:
        if "iter(combined_loader)" not in str(error) or not isinstance(error.__context__, Exception):
            raise
        raise error.__context__ from None


@contextmanager
def memory_errors(train: TrainSpec, fitting: Callable[[], int | None]) -> Iterator[None]:
    """Convert an error about memory to a StageError; on a GPU `fitting` finds the batch size that fits."""
    help = "lower train.batch_size (and raise train.accumulate), or model.max_length"
    try:
        yield
        return
    except Exception as error:
        if not out_of_memory(error):
            raise
        if of_host(error):
            raise StageError("out of memory", help=help) from None
    # Outside of the handler, whose traceback holds the tensors of the failed step.
    size = fitting()
    if size is not None:
        steps = train.accumulate * -(-train.batch_size // size)
        help = f"set train.batch_size: {size}, which fits, and train.accumulate: {steps} for the same gradients"
    raise StageError(f"out of memory with train.batch_size: {train.batch_size}", help=help)
