"""On an NVIDIA GPU: graphs give the bits of plain steps, precisions and weights train, a killed run resumes.

Skipped elsewhere; tests/parts/train and tests/scenarios run the same parts on the CPU.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from mlspec.errors import StageError  # noqa: E402
from mlspec.learning.graph_recorder import NotCapturable  # noqa: E402
from mlspec.learning.repeatable import repeatable  # noqa: E402
from mlspec.learning.step_graphs import StepGraphs  # noqa: E402
from mlspec.records.export import Export  # noqa: E402
from tests.parts import projects  # noqa: E402
from tests.parts.projects import Applied  # noqa: E402
from tests.parts.train.stage import run  # noqa: E402
from tests.parts.train.test_work import curves, metrics, same, weights  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]


def trained(root: Path, kind: str, more: str = "", **settings: str) -> Applied:
    """A tiny project, trained on the GPU."""
    project: Applied = getattr(projects, kind)(root, more)
    if kind == "text":
        project.spec("dropout: 0", "dropout: 0.2")
    project.spec(
        "batch_size: 16", ", ".join(["batch_size: 16", *(f"{name}: {value}" for name, value in settings.items())])
    )
    project.run("data", "train")
    return project


def speed(project: Applied) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((project.artifacts / "metrics" / "train.json").read_text(encoding="utf-8"))
    return dict(record["speed"])


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true", "64-true"])
@pytest.mark.parametrize("kind", ["text", "numbers", "images"])
def test_graphs_give_the_bits_of_plain_steps(kind: str, precision: str, tmp_path: Path) -> None:
    if kind == "numbers" and precision == "bf16-true":
        pytest.skip("bf16-true is refused for a number target")
    plain = trained(tmp_path / "plain", kind, precision=precision, compile="off")
    graphs = trained(tmp_path / "graphs", kind, precision=precision, compile="graphs")
    assert speed(plain)["compiled"] == "off"
    assert speed(graphs)["compiled"] == "graphs"
    assert speed(graphs)["device"] == "cuda"
    assert same(weights(plain), weights(graphs))
    assert curves(plain) == curves(graphs)


@pytest.mark.parametrize("precision", ["16-mixed", "bf16-mixed"])
@pytest.mark.parametrize("clip", [{}, {"gradient_clip": "1.0"}])
def test_mixed_precision_trains_with_and_without_clipping(precision: str, clip: dict[str, str], tmp_path: Path) -> None:
    project = trained(tmp_path, "text", precision=precision, **clip)
    assert speed(project)["compiled"] == ("off" if precision == "16-mixed" else "graphs")
    assert float(curves(project)[-1]["train/loss"]) < float(curves(project)[0]["train/loss"])


@pytest.mark.parametrize("settings", [
    {"class_weights": "balanced"}, {"accumulate": "2"}, {"tf32": "true"}, {"gradient_checkpointing": "true"},
    {"workers": "1"}, {"optimizer": "{type: sgd}"}, {"schedule": "{type: one-cycle}"},
])  # fmt: skip
def test_two_runs_are_equal(settings: dict[str, str], tmp_path: Path) -> None:
    one, other = (trained(tmp_path / name, "text", **settings) for name in ("one", "other"))
    assert same(weights(one), weights(other))
    assert metrics(one) == metrics(other)


def test_a_compiled_model_learns_the_same(tmp_path: Path) -> None:
    plain, compiled = (trained(tmp_path / how, "text", compile=how) for how in ("off", "inductor"))
    assert speed(compiled)["compiled"] == "inductor"
    first = [float(curves(project)[0]["train/loss"]) for project in (plain, compiled)]
    assert first[0] == pytest.approx(first[1], rel=1e-3)


def test_a_batch_that_exceeds_the_memory_is_answered_with_one_that_fits(tmp_path: Path) -> None:
    project = projects.text(tmp_path)
    project.spec("layers: 1, hidden: 16", "layers: 4, hidden: 256")
    project.spec("batch_size: 16", "batch_size: 128, compile: off")
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2e8 / torch.cuda.get_device_properties(0).total_memory)
    try:
        with pytest.raises(StageError, match=r"out of memory with train\.batch_size: 128") as raised:
            project.run("data", "train")
        result = re.search(r"set train\.batch_size: (\d+), which fits", raised.value.help)
        assert result
        assert 1 <= int(result[1]) < 128
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_killed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = projects.text(tmp_path / "whole")
    whole.spec("dropout: 0", "dropout: 0.2")
    whole.spec("max_epochs: 8", "max_epochs: 4, checkpoint: {every_steps: 4}")
    whole.run("data")
    killed = Applied(tmp_path / "killed")
    shutil.copytree(whole.root, killed.root)
    assert run(whole).code == 0
    assert run(killed, 24).code == -signal.SIGKILL
    again = run(killed)
    assert again.code == 0, again.output
    assert "resuming the interrupted run" in again.output
    assert same(weights(whole), weights(killed))
    assert metrics(whole) == metrics(killed)


def test_evaluation_and_export_run_on_the_gpu_with_the_outputs_of_the_cpu(tmp_path: Path) -> None:
    project = trained(tmp_path, "text", "evaluate: {metrics: [accuracy]}\nexport: {onnx: {}}\n")
    project.run("evaluate", "export")
    assert Export.read(project.artifacts).parity.max_abs_difference < 1e-4


def test_a_model_that_waits_for_the_device_is_not_recorded() -> None:
    class Waiting(torch.nn.Linear):
        def forward(self, x: Any) -> Any:
            return super().forward(x) * float(x.sum() > 0)

    network = Waiting(4, 2).cuda()

    def loss(inputs: Any, targets: Any) -> Any:
        return network(inputs["x"]).sum(), torch.full((), float(len(targets)), device="cuda")

    graphs = StepGraphs(network, loss, 8)
    batch = {"x": torch.randn(8, 4, device="cuda")}, torch.zeros(8, device="cuda")
    assert graphs.replay(batch) is None
    with pytest.raises(NotCapturable):
        graphs.replay(batch)
    loss(*batch)[0].backward()


def test_attention_over_long_texts_repeats_its_bits() -> None:
    from mlspec.learning.networks import TextNetwork

    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        network = TextNetwork(100, 512, 384, 1, 12, 2, 0.0).cuda()
        ids = torch.randint(0, 100, (2, 512), device="cuda", generator=torch.Generator("cuda").manual_seed(1))
        mask = torch.ones_like(ids)
        mask[0, 256:] = 0
        seen = set()
        for _ in range(8):
            network.zero_grad()
            with repeatable(network):
                network(input_ids=ids, attention_mask=mask).square().sum().backward()
            seen.add(network.blocks[0].mix.weight.grad.cpu().numpy().tobytes())
        assert len(seen) == 1
    finally:
        torch.use_deterministic_algorithms(False)


two_gpus = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two NVIDIA GPUs")


@two_gpus
@pytest.mark.usefixtures("warm_processes")
@pytest.mark.parametrize("settings", [
    {}, {"class_weights": "balanced"}, {"precision": "bf16-mixed", "gradient_clip": "1.0"}, {"max_time": "1h"},
])  # fmt: skip
def test_two_gpus_train_as_one(settings: dict[str, str], tmp_path: Path) -> None:
    one = trained(tmp_path / "one", "numbers" if "class_weights" not in settings else "text", **settings)
    two, again = (
        trained(tmp_path / name, "numbers" if "class_weights" not in settings else "text", devices="2", **settings)
        for name in ("two", "again")
    )
    assert (speed(two)["devices"], speed(two)["compiled"]) == (2, "off")
    assert same(weights(two), weights(again))
    losses = [float(curves(project)[0]["train/loss"]) for project in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05 if settings.get("class_weights") else 1e-2)


@two_gpus
@pytest.mark.usefixtures("warm_processes")
def test_a_killed_run_of_two_gpus_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = projects.text(tmp_path / "whole")
    whole.spec("max_epochs: 8", "max_epochs: 3, devices: 2, checkpoint: {every_steps: 2}")
    whole.run("data")
    killed = Applied(tmp_path / "killed")
    shutil.copytree(whole.root, killed.root)
    assert run(whole, devices=2).code == 0
    assert run(killed, 13, devices=2).code == 4
    again = run(killed, devices=2)
    assert again.code == 0, again.output
    assert "resuming the interrupted run" in again.output
    assert same(weights(whole), weights(killed))
