"""Steps as graphs, with a recorder for the CPU: the bits of plain steps, and the plain path where recording fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pytorch_lightning as pl  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from mlspec.errors import StageError  # noqa: E402
from mlspec.job import Job  # noqa: E402
from mlspec.learning.graph_recorder import NotCapturable, raise_if_memory  # noqa: E402
from mlspec.learning.learner import Learner  # noqa: E402
from mlspec.learning.metrics import Scores  # noqa: E402
from mlspec.learning.networks import TabularNetwork  # noqa: E402
from mlspec.learning.out_of_memory import first_reason  # noqa: E402
from mlspec.learning.split_rows import Rows  # noqa: E402
from mlspec.learning.step_graphs import StepGraphs  # noqa: E402
from mlspec.learning.update_graph import UpdateGraph  # noqa: E402
from mlspec.parts.train.fitting import Fitting  # noqa: E402
from mlspec.runtime.preprocess import load  # noqa: E402
from mlspec.runtime.preprocess.fit import fit  # noqa: E402
from mlspec.sections.model import Tabular  # noqa: E402
from mlspec.sections.train import TrainSpec  # noqa: E402


class WithinSteps(pl.Callback):
    """Has a hook within a step, for which all steps are Lightning's, as on a GPU."""

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pass


@dataclass
class Again:
    """In place of a CUDA graph: executes the operations again, and writes where they wrote."""

    step: Callable[[], Any]
    result: Any
    replays: list[str]

    def replay(self) -> None:
        self.replays.append("step" if self.result is not None else "update")
        values = self.step()
        for old, new in zip(self.result or (), values or (), strict=True):
            old.copy_(new)


@dataclass
class OnCpu:
    """In place of a recorder of CUDA graphs. `fails` is raised where it records; the parameters stay as they were."""

    module: Learner
    fails: Callable[[], None] | None = None
    replays: list[str] = field(default_factory=list)

    def attempt(self, step: Callable[[], object], device: Any) -> None:
        assert device.type == "cpu"
        with torch.random.fork_rng([]):
            step()
            step()

    def record(self, step: Callable[[], Any], device: Any) -> tuple[Again, Any]:
        assert device.type == "cpu"
        if self.fails is not None:
            try:
                self.fails()
            except RuntimeError as error:
                raise_if_memory(error)
                raise NotCapturable(first_reason(error)) from None
        kept = [(tensor, tensor.clone()) for tensor in self.state()]
        with torch.random.fork_rng([]):
            result = step()
        with torch.no_grad():
            for tensor, value in kept:
                tensor.copy_(value)
        return Again(step, result, self.replays), result

    def state(self) -> Iterator[Tensor]:
        """What an update changes."""
        for parameter in self.module.parameters():
            yield from (tensor for tensor in (parameter.detach(), parameter.grad) if tensor is not None)
        for optimizer in self.module.trainer.optimizers:
            for values in optimizer.state.values():
                yield from (value for value in values.values() if isinstance(value, Tensor))


def trained(folder: Path, record: Callable[[Learner], None] = lambda _: None, **settings: Any) -> dict[str, Any]:
    """The checkpoint of a training of two epochs, each of 11 full batches and one of two rows."""
    values = [float(at) for at in range(90)]
    fit({"n": values}, {"n": {"type": "number"}}, folder / "preprocess")
    preprocess = load(folder / "preprocess")
    split = Rows(None, preprocess.features([{"n": value} for value in values]), np.arange(90) % 2)
    train = TrainSpec(max_epochs=2, batch_size=8, learning_rate=0.1, **settings)
    job = Job(folder, folder, folder, {}, {"train": train, "model": Tabular(type="tabular")})
    run = Fitting(job, folder, {}, False)
    run.trainer.callbacks.append(WithinSteps())  # type: ignore[attr-defined]
    pl.seed_everything(1, verbose=False)
    network = TabularNetwork(1, [], 2, [4], 2, 0.1)
    module = Learner(network, "classification", Scores(["accuracy"], "classification"), train, None)
    record(module)
    run.fit(module, {"train": split, "valid": split}, preprocess)
    run.trainer.save_checkpoint(folder / "end.ckpt")
    checkpoint: dict[str, Any] = torch.load(folder / "end.ckpt", weights_only=False)
    return checkpoint


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(one["state_dict"][name], weight) for name, weight in other["state_dict"].items())


def graphs_of(module: Learner, steps: OnCpu, update: OnCpu) -> None:
    module.graphs = StepGraphs(module.network, module.loss, 8, steps)
    module.update = UpdateGraph(module.settings.gradient_clip, update, lambda optimizer: bool(optimizer.state))


@pytest.mark.parametrize("settings", [{}, {"gradient_clip": 0.01}, {"precision": "bf16-mixed"}], ids=str)
def test_graphs_give_the_bits_of_plain_steps(settings: dict[str, Any], tmp_path: Path) -> None:
    replays: list[str] = []

    def record(module: Learner) -> None:
        graphs_of(module, OnCpu(module, replays=replays), OnCpu(module, replays=replays))

    assert same(trained(tmp_path / "graphs", record, **settings), trained(tmp_path / "plain", **settings))
    # The first full batch is not recorded. The second is while it is trained on, before its update is known.
    assert (replays.count("step"), replays.count("update")) == (21, 20)


def invalidated() -> None:
    try:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nCompile with …")
    except RuntimeError:
        raise RuntimeError("CUDA error: operation failed due to a previous error during capture")  # noqa: B904


@pytest.mark.parametrize("which", ["step", "update"])
def test_what_cannot_be_recorded_takes_the_plain_path_and_says_so_once(
    which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    modules: list[Learner] = []

    def record(module: Learner) -> None:
        modules.append(module)
        fails = {name: invalidated if which == name else None for name in ("step", "update")}
        graphs_of(module, OnCpu(module, fails["step"]), OnCpu(module, fails["update"]))

    failed = trained(tmp_path / "failed", record, gradient_clip=0.01)
    output = capsys.readouterr().out
    reason = "CUDA error: operation not permitted when stream is capturing"
    assert output.count(f"decision: train.compile: no CUDA graphs, because {reason}\n") == 1
    assert modules[0].graphs is None
    assert same(failed, trained(tmp_path / "plain", gradient_clip=0.01))


class LongerTextsReadMore(nn.Module):
    """Reads a second parameter for inputs of some length."""

    def __init__(self, least: int, most: int) -> None:
        super().__init__()
        self.always, self.sometimes = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        self.least, self.most = least, most

    def forward(self, values: Tensor) -> Tensor:
        result = values.mean(1) * self.always
        return result * self.sometimes if self.least <= values.shape[1] <= self.most else result


class AtOnce:
    """In place of a recorder of CUDA graphs: executes the operations again."""

    def attempt(self, step: Callable[[], object], device: Any) -> None:
        assert device.type == "cpu"
        step()

    def record(self, step: Callable[[], Any], device: Any) -> tuple[Again, Any]:
        assert device.type == "cpu"
        result = step()
        return Again(step, result, []), result


@pytest.mark.parametrize("lengths", [(3, 3), (6, 9)], ids=["fewer", "more"])
def test_a_longer_batch_that_reads_other_parameters_is_not_recorded(lengths: tuple[int, int]) -> None:
    network = LongerTextsReadMore(*lengths)

    def loss(inputs: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
        return (network(**inputs) - targets).square().sum(), torch.tensor(4.0)

    graphs = StepGraphs(network, loss, 4, AtOnce())
    batches = {length: ({"values": torch.rand(4, length)}, torch.rand(4)) for length in (3, 6)}
    for batch in batches.values():
        assert graphs.replay(batch) is None
    assert graphs.replay(batches[3]) is not None
    with pytest.raises(NotCapturable, match="the parameters that have a gradient differ between batches"):
        graphs.replay(batches[6])


def no_memory() -> None:
    try:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    except torch.OutOfMemoryError:
        raise RuntimeError("CUDA error: operation failed due to a previous error during capture")  # noqa: B904


@pytest.mark.parametrize("which", ["step", "update"])
def test_a_memory_that_ends_while_a_graph_is_recorded_names_the_batch_that_fits(which: str, tmp_path: Path) -> None:
    def record(module: Learner) -> None:
        fails = {name: no_memory if which == name else None for name in ("step", "update")}
        graphs_of(module, OnCpu(module, fails["step"]), OnCpu(module, fails["update"]))

    with pytest.raises(StageError, match=r"^out of memory with train\.batch_size: 8$") as raised:
        trained(tmp_path, record)
    assert raised.value.help == "set train.batch_size: 4, which fits, and train.accumulate: 2 for the same gradients"
