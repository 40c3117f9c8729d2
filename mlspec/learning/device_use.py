"""How training uses its device: samples per second, the share of time it computes, waits for data, and its memory."""

from __future__ import annotations

import importlib
import platform
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytorch_lightning as pl
import torch

from mlspec.records.training import DeviceUse

SAMPLING: Final = 0.25
"""Seconds between two readings of a GPU's utilization."""
LONG, LATE = 10.0, 0.3
"""Seconds of training, and the share of waiting in it, from which on advice is given."""
Reading = Callable[[], float | None]
"""The share of time that a device computed lately, 0..1; None if the driver does not report it."""


class DeviceTimes(pl.Callback):
    """Measures the training part of each epoch. Reads clocks and the driver's counters; never waits for a device."""

    def __init__(self) -> None:
        self.rows, self.seconds, self.waited, self.computed = 0, 0.0, 0.0, 0.0
        self.readings: list[float] = []
        self.epoch: tuple[int, float, float] = (0, 0.0, 0.0)
        """Rows, seconds and seconds of waiting of the last epoch."""
        self._reading: Reading = lambda: None
        self._began = self._ended = self._read = self._processor = 0.0
        self._rows, self._waited = 0, 0.0
        self._running = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find the source of the utilization."""
        self._reading = _utilization(trainer.strategy.root_device)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clocks."""
        self._began = self._ended = time.perf_counter()
        self._processor = time.process_time()
        self._rows, self._waited, self._running = 0, 0.0, True

    def on_train_batch_start(self, *_: object) -> None:
        """Add the time since the last batch: fetching this one."""
        self._waited += time.perf_counter() - self._ended

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Count the rows, and read the utilization now and then."""
        self._rows += rows_of(batch) * trainer.world_size
        self._ended = time.perf_counter()
        if self._ended - self._read > SAMPLING:
            self._read = self._ended
            if (share := self._reading()) is not None:
                self.readings.append(share)

    def on_validation_start(self, *_: object) -> None:
        """Stop the clocks."""
        self._stop()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clocks in an epoch without validation, and log the epoch."""
        self._stop()
        rows, seconds, waited = self.epoch
        values = {"device/samples_per_second": rows / max(seconds, 1e-9), "device/waiting": waited / max(seconds, 1e-9)}
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.fit_loop.epoch_loop._batches_that_stepped)

    def _stop(self) -> None:
        if not self._running:
            return
        self._running = False
        self.epoch = self._rows, time.perf_counter() - self._began, self._waited
        rows, seconds, waited = self.epoch
        self.rows, self.seconds, self.waited = self.rows + rows, self.seconds + seconds, self.waited + waited
        self.computed += time.process_time() - self._processor

    @property
    def line(self) -> str:
        """`7,683 rows/s`, for the progress line of an epoch; empty before the first."""
        rows, seconds, waited = self.epoch
        late = f", {waited / seconds:.0%} of the time waiting for data" if seconds and waited > 0.2 * seconds else ""
        return f"{rows / seconds:,.0f} rows/s{late}" if rows and seconds else ""

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
        if device.type == "cpu":
            busy: float | None = min(1.0, self.computed / self.seconds / torch.get_num_threads())
        else:
            busy = sum(self.readings) / len(self.readings) if self.readings else None
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


def name_of(device: torch.device) -> str:
    """The name of a device: `NVIDIA H100 80GB HBM3`, or the processor's with its threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    return f"{processor()}, {torch.get_num_threads()} threads"


def processor(information: Path = Path("/proc/cpuinfo")) -> str:
    """The name of the processor."""
    try:
        lines = information.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine() or "CPU"


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


def _utilization(device: torch.device) -> Reading:
    """What NVIDIA's driver reports, if its Python package (nvidia-ml-py) is installed."""
    if device.type != "cuda":
        return lambda: None
    try:
        pynvml = importlib.import_module("pynvml")
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(device.index or 0)
        return lambda: float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100
    except Exception:  # noqa: BLE001 - the package, the driver or a permission may be missing
        return lambda: None
