"""Rows, waiting and the device of a training, and the advice where it waits for data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from mlspec.learning.device_use import DeviceTimes, rows_of  # noqa: E402


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


def trainer() -> Any:
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(_batches_that_stepped=1))
    return SimpleNamespace(strategy=strategy, world_size=2, loggers=[], fit_loop=loop)


def test_a_training_is_measured_without_its_validation() -> None:
    times, run = DeviceTimes(), trainer()
    times.on_train_start(run, None)  # type: ignore[arg-type]
    for _ in range(2):
        times.on_train_epoch_start(run, None)  # type: ignore[arg-type]
        times.on_train_batch_start()
        times.on_train_batch_end(run, None, None, torch.zeros(6, 1), 0)  # type: ignore[arg-type]
        times.on_validation_start()
        before = times.seconds
        times.on_train_epoch_end(run, None)  # type: ignore[arg-type]
        assert times.seconds == before
    use = times.use(run, "off")
    assert use is not None
    assert (times.rows, use.devices, use.device) == (24, 2, "cpu")
    assert use.samples_per_second == pytest.approx(24 / times.seconds, rel=0.01)
    assert "rows/s" in times.line
    assert use.memory_bytes is None or use.memory_bytes > 2**20


def test_nothing_is_reported_of_a_training_without_rows() -> None:
    assert DeviceTimes().use(trainer(), "off") is None
    assert DeviceTimes().line == ""


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
