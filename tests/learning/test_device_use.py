"""Rows, waiting and the device of a training, and the advice where it waits for data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pytorch_lightning as pl  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from mlspec.job import Job  # noqa: E402
from mlspec.learning.device_use import DeviceTimes, EpochUse, rows_of, utilization  # noqa: E402
from mlspec.learning.devices import name_of  # noqa: E402
from mlspec.learning.direct_steps import possible  # noqa: E402
from mlspec.learning.learner import Learner  # noqa: E402
from mlspec.learning.metrics import Scores  # noqa: E402
from mlspec.learning.networks import TabularNetwork  # noqa: E402
from mlspec.learning.split_rows import Rows  # noqa: E402
from mlspec.parts.train.fitting import Fitting  # noqa: E402
from mlspec.runtime.preprocess import load  # noqa: E402
from mlspec.runtime.preprocess.fit import fit  # noqa: E402
from mlspec.sections.model import Tabular  # noqa: E402
from mlspec.sections.train import TrainSpec  # noqa: E402


@pytest.mark.parametrize(
    ("batch", "rows"),
    [
        (torch.zeros(5, 2), 5),
        (({"x": torch.zeros(3, 4)}, torch.zeros(3)), 3),
        ([torch.zeros(7), torch.zeros(7)], 7),
        ({"x": torch.zeros(())}, 1),
        ("text", 0),
    ],
)
def test_the_rows_of_a_batch_are_counted(batch: object, rows: int) -> None:
    assert rows_of(batch) == rows


class Logged:
    """Keeps what a tracker would get."""

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        self.params = params

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.metrics = metrics


def trainer() -> Any:
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(_batches_that_stepped=1))
    return SimpleNamespace(strategy=strategy, world_size=2, loggers=[Logged()], fit_loop=loop)


def test_a_training_is_measured_without_its_validation() -> None:
    times, run = DeviceTimes(), trainer()
    times.on_train_start(run, None)  # type: ignore[arg-type]
    for _ in range(2):
        times.on_train_epoch_start(run, None)  # type: ignore[arg-type]
        times.fetching.start("[DirectSteps].train_dataloader_next")
        times.fetching.stop("[DirectSteps].train_dataloader_next")
        times.on_train_batch_end(run, None, None, torch.zeros(6, 1), 0)  # type: ignore[arg-type]
        times.on_validation_start(run)
        before = times.seconds
        times.on_train_epoch_end(run, None)  # type: ignore[arg-type]
        assert times.seconds == before
    use = times.use(run, "off")
    assert use is not None
    assert (times.rows, use.devices, use.device) == (24, 2, "cpu")
    assert use.samples_per_second == pytest.approx(24 / times.seconds, rel=0.01)
    assert re.fullmatch(r"[\d,]+ rows/s, busy \d+%, waiting for data \d+%, [\d.]+ GB", times.line)
    assert run.loggers[0].params == {"device": {"type": "cpu", "name": name_of(torch.device("cpu")), "count": 2}}
    logged = run.loggers[0].metrics
    assert logged.keys() == {f"device/{name}" for name in ("samples_per_second", "waiting", "busy", "memory_bytes")}
    assert 0 <= logged["device/busy"] <= 1
    assert use.memory_bytes is None or use.memory_bytes > 2**20


def test_nothing_is_reported_of_a_training_without_rows() -> None:
    assert DeviceTimes().use(trainer(), "off") is None
    assert DeviceTimes().line == ""


def test_what_is_unknown_is_left_out() -> None:
    use = EpochUse(1000, 2.0, 0.5, None, None)
    assert str(use) == "500 rows/s, waiting for data 25%"
    assert use.values == {"device/samples_per_second": 500, "device/waiting": 0.25}


def measured(seconds: float, waited: float) -> DeviceTimes:
    times = DeviceTimes()
    times.rows, times.seconds, times.waited = 100, seconds, waited
    return times


def test_a_training_that_waits_for_data_gets_advice() -> None:
    assert measured(20, 1).advice(0, "") is None
    assert measured(2, 1).advice(0, "") is None
    message, help = measured(20, 10).advice(0, "") or ("", "")
    assert message == "training waited for data 50% of the time"
    assert "train.workers to 4" in help
    assert "train.workers to 12" in (measured(20, 10).advice(6, "") or ("", ""))[1]
    assert (
        "num_workers in the DataLoader of src.data:Own" in (measured(20, 10).advice(0, "src.data:Own") or ("", ""))[1]
    )


def test_the_busy_share_of_a_gpu_is_what_the_driver_reports() -> None:
    devices: list[Any] = []

    def measure(device: Any) -> int:
        devices.append(device)
        return 42

    reading, problem = utilization(torch.device("cuda:1"), measure)
    assert (reading(), problem) == (0.42, "")
    assert set(devices) == {torch.device("cuda:1")}
    assert utilization(torch.device("cpu"), measure)[1] == ""


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (ModuleNotFoundError("No module named 'pynvml'"), "nvidia-ml-py is not installed: pip install nvidia-ml-py"),
        (RuntimeError("driver too old"), "RuntimeError: driver too old"),
    ],
)
def test_a_gpu_whose_busy_share_is_unknown_says_what_is_missing(error: Exception, problem: str) -> None:
    def measure(_: Any) -> int:
        raise error

    reading, reason = utilization(torch.device("cuda:0"), measure)
    assert (reading(), reason) == (None, problem)


class Clock:
    """Time that passes only where a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def slow_callback(clock: Clock, hook: str) -> pl.Callback:
    """A callback that takes seconds at one of the hooks of each batch, as one that saves a checkpoint."""

    def pause(*_: object) -> None:
        clock.now += 2.0

    callback: pl.Callback = type("Slow", (pl.Callback,), {hook: pause})()
    return callback


class SlowLoader(DataLoader[Any]):
    """Takes seconds for each batch."""

    def __init__(self, loader: DataLoader[Any], clock: Clock) -> None:
        super().__init__(loader.dataset, batch_sampler=loader.batch_sampler, collate_fn=loader.collate_fn)
        self.clock = clock

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for batch in super().__iter__():
            self.clock.now += 2.0
            yield batch


class Timed(Fitting):
    """Measures with the clock of a test."""

    clock: Clock
    loads: bool

    def _callbacks(self) -> list[pl.Callback]:
        self.times = DeviceTimes(self.clock)
        return super()._callbacks()

    def _loader(self, *arguments: Any) -> DataLoader[Any]:
        loader: DataLoader[Any] = super()._loader(*arguments)
        return SlowLoader(loader, self.clock) if self.loads else loader


@pytest.mark.parametrize("lightning", [False, True], ids=["direct steps", "steps of Lightning"])
@pytest.mark.parametrize(
    ("slow", "waiting"),
    [("on_train_batch_start", 0.0), ("on_train_batch_end", 0.0), ("loader", 1.0)],
)
def test_only_the_data_loader_makes_training_wait_for_data(
    slow: str, waiting: float, lightning: bool, tmp_path: Path
) -> None:
    values = [float(at) for at in range(40)]
    fit({"n": values}, {"n": {"type": "number"}}, tmp_path / "preprocess")
    preprocess = load(tmp_path / "preprocess")
    split = Rows(None, preprocess.features([{"n": value} for value in values]), np.arange(40) % 2)
    train = TrainSpec(max_epochs=2, batch_size=4, accumulate=2 if lightning else 1)
    job = Job(tmp_path, tmp_path, tmp_path, {}, {"train": train, "model": Tabular(type="tabular")})
    Timed.clock, Timed.loads = Clock(), slow == "loader"
    run = Timed(job, tmp_path, {}, False)
    if slow != "loader":
        run.trainer.callbacks.append(slow_callback(Timed.clock, slow))  # type: ignore[attr-defined]
    module = Learner(
        TabularNetwork(1, [], 2, [4], 2, 0.0), "classification", Scores(["accuracy"], "classification"), train, None
    )
    run.fit(module, {"train": split, "valid": split}, preprocess)
    use = run.times.use(run.trainer, "off")
    assert use is not None
    assert possible(run.trainer) is not lightning
    assert run.times.seconds == 40.0  # two epochs of ten batches
    assert use.waiting == waiting
    assert (run.times.advice(0, "") is not None) is (slow == "loader")
