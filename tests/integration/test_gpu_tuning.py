"""On an NVIDIA GPU: batch size and learning rate are found before training, and the use of the device is reported.

Skipped elsewhere; tests/parts/train/test_tuning.py runs the same parts on the CPU.
"""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tests.integration.test_gpu_training import speed, trained  # noqa: E402
from tests.parts import projects  # noqa: E402
from tests.parts.train.test_work import curves, metrics, same, weights  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]


@pytest.mark.parametrize("mode", ["power", "binsearch"])
def test_the_batch_that_is_found_fits_in_the_memory(mode: str, tmp_path: Path) -> None:
    project = projects.text(tmp_path)
    project.spec("layers: 1, hidden: 16", "layers: 4, hidden: 256")
    project.spec(
        "max_epochs: 8, batch_size: 16", f"max_epochs: 2, batch_size: 8, tune: {{batch_size: {{mode: {mode}}}}}"
    )
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2e8 / torch.cuda.get_device_properties(0).total_memory)
    try:
        project.run("data", "train")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    record = metrics(project)["tuned"]
    assert record["batch_size_limit"] == "memory"
    assert 1 <= record["batch_size"] < 128
    assert speed(project)["memory_bytes"] <= 2e8


@pytest.mark.parametrize("how", ["graphs", "off"])
def test_training_on_a_gpu_runs_as_if_the_spec_had_the_values(how: str, tmp_path: Path) -> None:
    tune = "{batch_size: {max: 32}, learning_rate: {min: 1e-5, max: 0.5, steps: 40}}"
    one = trained(tmp_path / "one", "text", compile=how, tune=tune)
    record = metrics(one)
    content = record.pop("tuned")
    assert content["batch_size"] == 32
    assert 1e-5 < content["learning_rate"] < 0.5
    given = projects.text(tmp_path / "given")
    given.spec("dropout: 0", "dropout: 0.2")
    given.spec(
        "batch_size: 16, learning_rate: 0.01",
        f"batch_size: 32, learning_rate: {content['learning_rate']}, compile: {how}",
    )
    given.run("data", "train")
    assert same(weights(one, "last"), weights(given, "last"))
    assert curves(one) == curves(given)
    assert record == metrics(given)


def test_the_use_of_the_gpu_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = trained(tmp_path, "text")
    output = capsys.readouterr().out
    name = torch.cuda.get_device_name()
    use = speed(project)
    assert (use["device"], use["name"], use["devices"]) == ("cuda", name, 1)
    assert 0 < use["memory_bytes"] < torch.cuda.get_device_properties(0).total_memory
    assert f"training on {name}" in output
    assert "rows/s, " in output
    assert "waiting for data" in output
