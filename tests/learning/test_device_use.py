"""Rows, waiting and the device of a training, and the advice where it waits for data."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from mlspec.learning.device_use import DeviceTimes, EpochUse, name_of, rows_of  # noqa: E402


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
        times.on_train_batch_start()
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
