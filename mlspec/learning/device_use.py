"""How training uses its device: samples per second, the share of time it computes, waits for data, and its memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pytorch_lightning as pl
import torch
from pytorch_lightning.profilers import PassThroughProfiler

from mlspec.learning.devices import name_of
from mlspec.records.training import DeviceUse
from mlspec.stage_result import say

SAMPLING: Final = 0.25
"""Seconds between two readings of a GPU's utilization."""
LONG, LATE = 10.0, 0.3
"""Seconds of training, and the share of waiting in it, from which on advice is given."""
_FETCH: Final = ".train_dataloader_next"
"""The end of Lightning's name for fetching a batch of the training split."""
Reading = Callable[[], float | None]
"""The share of time that a device computed lately, 0..1; None if the driver does not report it."""


@dataclass(frozen=True, slots=True)
class EpochUse:
    """How the training part of an epoch used the first device."""

    rows: int
    seconds: float
    waited: float
    """Seconds of fetching batches."""
    busy: float | None
    """The share of the time in which the device computed; None if unknown."""
    memory: int | None
    """The most bytes so far; None if unknown."""

    @property
    def values(self) -> dict[str, float]:
        """The values that are known, for an experiment tracker."""
        seconds = max(self.seconds, 1e-9)
        known = {"samples_per_second": self.rows / seconds, "waiting": min(1.0, self.waited / seconds)}
        more = {"busy": self.busy, "memory_bytes": self.memory}
        known |= {name: value for name, value in more.items() if value is not None}
        return {f"device/{name}": value for name, value in known.items()}

    def __str__(self) -> str:
        if not self.rows or not self.seconds:
            return ""
        waiting = f"waiting for data {min(1.0, self.waited / self.seconds):.0%}"
        busy = "" if self.busy is None else f"busy {self.busy:.0%}"
        size = "" if self.memory is None else f"{self.memory / 1e9:.1f} GB"
        return ", ".join(filter(None, (f"{self.rows / self.seconds:,.0f} rows/s", busy, waiting, size)))


class Fetching(PassThroughProfiler):
    """The seconds that training waited for batches: those that Lightning spends in `next` of its data loader.

    Lightning reports where it spends time to the profiler of its Trainer.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__()
        self.clock = clock
        self.seconds = 0.0
        self._began = 0.0

    def start(self, action_name: str) -> None:
        """Start the clock where a batch of the training split is fetched."""
        if action_name.endswith(_FETCH):
            self._began = self.clock()

    def stop(self, action_name: str) -> None:
        """Add the time since `start`."""
        if action_name.endswith(_FETCH):
            self.seconds += self.clock() - self._began


class DeviceTimes(pl.Callback):
    """Measures the training part of each epoch. Reads clocks and the driver's counters; never waits for a device."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.fetching = Fetching(clock)
        """To be the profiler of the Trainer."""
        self.rows, self.seconds, self.waited, self.computed = 0, 0.0, 0.0, 0.0
        self.readings: list[float] = []
        self.epoch: EpochUse | None = None
        """The last epoch."""
        self._reading: Reading = lambda: None
        self._clock = clock
        self._began = self._read = self._processor = self._fetched = 0.0
        self._rows, self._known = 0, 0
        self._running = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find the source of the utilization, and report the device."""
        device = trainer.strategy.root_device
        self._reading, problem = utilization(device)
        if problem and trainer.is_global_zero:
            say(f"note: the share of time in which the GPU computes is unknown: {problem}")
        described = {"type": device.type, "name": name_of(device), "count": trainer.world_size}
        for logger in trainer.loggers:
            logger.log_hyperparams({"device": described})

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clocks."""
        self._began, self._fetched = self._clock(), self.fetching.seconds
        self._processor = time.process_time()
        self._rows, self._known, self._running = 0, len(self.readings), True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Count the rows, and read the utilization now and then."""
        self._rows += rows_of(batch) * trainer.world_size
        if (now := self._clock()) - self._read > SAMPLING:
            self._read = now
            if (share := self._reading()) is not None:
                self.readings.append(share)

    def on_validation_start(self, trainer: pl.Trainer, *_: object) -> None:
        """Stop the clocks."""
        self._stop(trainer.strategy.root_device)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clocks in an epoch without validation, and log the epoch."""
        self._stop(trainer.strategy.root_device)
        for logger in trainer.loggers if self.epoch else ():
            assert self.epoch is not None
            logger.log_metrics(self.epoch.values, step=trainer.fit_loop.epoch_loop._batches_that_stepped)

    def _stop(self, device: torch.device) -> None:
        if not self._running:
            return
        self._running = False
        seconds, computed = self._clock() - self._began, time.process_time() - self._processor
        waited = self.fetching.seconds - self._fetched
        busy = self._busy(device, seconds, computed, self.readings[self._known :])
        self.epoch = EpochUse(self._rows, seconds, waited, busy, memory(device))
        self.rows, self.seconds = self.rows + self._rows, self.seconds + seconds
        self.waited, self.computed = self.waited + waited, self.computed + computed

    @staticmethod
    def _busy(device: torch.device, seconds: float, computed: float, readings: Sequence[float]) -> float | None:
        """The share of the time in which the device computed; None if unknown."""
        if device.type == "cpu":
            return min(1.0, computed / max(seconds, 1e-9) / torch.get_num_threads())
        return sum(readings) / len(readings) if readings else None

    @property
    def line(self) -> str:
        """`7,683 rows/s, busy 81%, waiting for data 2%, 1.2 GB` of the last epoch; empty before the first."""
        return str(self.epoch) if self.epoch else ""

    def advice(self, workers: int, source: str) -> tuple[str, str] | None:
        """Warning and help if training mostly waits for data; `source` is the project's data module, or empty."""
        if self.seconds < LONG or self.waited < LATE * self.seconds:
            return None
        more = f"raise train.workers to {max(4, 2 * workers)}: batches are prepared in that many processes"
        help = f"raise num_workers in the DataLoader of {source}" if source else more
        return f"training waited for data {self.waited / self.seconds:.0%} of the time", help

    def use(self, trainer: pl.Trainer, compiled: str) -> DeviceUse | None:
        """The record of the whole training; None if no epoch was measured."""
        device = trainer.strategy.root_device
        if not self.rows or not self.seconds:
            return None
        busy = self._busy(device, self.seconds, self.computed, self.readings)
        return DeviceUse(
            device=device.type,
            name=name_of(device),
            devices=trainer.world_size,
            compiled=compiled,
            samples_per_second=round(self.rows / self.seconds, 1),
            busy=None if busy is None else round(busy, 3),
            waiting=round(min(1.0, self.waited / self.seconds), 3),
            memory_bytes=memory(device),
        )


def rows_of(batch: object) -> int:
    """The rows of a batch: the length of its first tensor."""
    match batch:
        case torch.Tensor():
            return len(batch) if batch.ndim else 1
        case Mapping():
            return max(map(rows_of, batch.values()), default=0)
        case list() | tuple():
            return max(map(rows_of, batch), default=0)
        case _:
            return 0


def memory(device: torch.device) -> int | None:
    """The most memory that tensors took on a GPU, or this process on a CPU, in bytes; None if unknown."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if device.type == "mps":
        return int(torch.mps.driver_allocated_memory())
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most if sys.platform == "darwin" else most * 1024)


def utilization(
    device: torch.device, measure: Callable[[torch.device], int] = torch.cuda.utilization
) -> tuple[Reading, str]:
    """What NVIDIA's driver reports, and why it reports nothing; empty if it does, and on other devices.

    `measure` returns percent. Torch reads them through the package nvidia-ml-py.
    """
    if device.type != "cuda":
        return lambda: None, ""
    try:
        measure(device)
    except ImportError:
        return lambda: None, "nvidia-ml-py is not installed: pip install nvidia-ml-py"
    except Exception as error:  # noqa: BLE001 - the driver or a permission may be missing
        return lambda: None, f"{type(error).__name__}: {error}"
    return lambda: float(measure(device)) / 100, ""
