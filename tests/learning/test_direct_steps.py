"""Direct steps give the bits of Lightning's: weights, counters, curves and what a logger gets."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pytorch_lightning as pl  # noqa: E402
from pytorch_lightning.loggers import CSVLogger  # noqa: E402

from mlspec.job import Job  # noqa: E402
from mlspec.learning.direct_steps import clip, possible  # noqa: E402
from mlspec.learning.learner import Learner  # noqa: E402
from mlspec.learning.metrics import Scores  # noqa: E402
from mlspec.learning.networks import TabularNetwork  # noqa: E402
from mlspec.learning.split_rows import Rows  # noqa: E402
from mlspec.parts.train.fitting import Fitting  # noqa: E402
from mlspec.runtime.preprocess import load  # noqa: E402
from mlspec.runtime.preprocess.fit import fit  # noqa: E402
from mlspec.sections.model import Tabular  # noqa: E402
from mlspec.sections.train import TrainSpec  # noqa: E402


class WithinSteps(pl.Callback):
    """Has a hook within a step, for which all steps are Lightning's."""

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pass


@dataclass
class Trained:
    direct: bool
    checkpoint: dict[str, Any]
    curves: list[dict[str, float]]
    logged: list[dict[str, str]]


def trained(folder: Path, *more: pl.Callback, logger: bool = False, **settings: Any) -> Trained:
    values = [float(at) for at in range(90)]
    fit({"n": values}, {"n": {"type": "number"}}, folder / "preprocess")
    preprocess = load(folder / "preprocess")
    features = preprocess.features([{"n": value} for value in values])
    targets = np.asarray([at % 2 for at in range(90)])
    train = TrainSpec(max_epochs=2, batch_size=8, learning_rate=0.1, **settings)
    job = Job(folder, folder, folder, {}, {"train": train, "model": Tabular(type="tabular")})
    run = Fitting(job, folder, {}, CSVLogger(folder, "log", "") if logger else False)
    run.trainer.callbacks.extend(more)  # type: ignore[attr-defined]
    pl.seed_everything(1, verbose=False)
    network = TabularNetwork(1, [], 2, [4], 2, 0.1)
    module = Learner(network, "classification", Scores(["accuracy"], "classification"), train, None)
    run.fit(
        module, {"train": Rows(None, features, targets), "valid": Rows(None, features[:9], targets[:9])}, preprocess
    )
    run.trainer.save_checkpoint(folder / "end.ckpt")
    lines = list(csv.DictReader((folder / "log" / "metrics.csv").open())) if logger else []
    # Times differ from run to run.
    logged = [{name: value for name, value in line.items() if not name.startswith("device/")} for line in lines]
    checkpoint = torch.load(folder / "end.ckpt", weights_only=False)
    return Trained(possible(run.trainer), checkpoint, run.curves.rows, logged)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gradient_clip": 0.01},
        {"max_steps": 17},
        {"schedule": {"type": "cosine", "warmup": 0.2}},
        {"precision": "bf16-mixed", "gradient_clip": 0.01},
    ],
    ids=["plain", "clipped", "stopped", "scheduled", "bfloat16"],
)
def test_direct_steps_give_the_same_bits(settings: dict[str, Any], tmp_path: Path) -> None:
    direct = trained(tmp_path / "direct", **settings)
    other = trained(tmp_path / "other", WithinSteps(), **settings)
    assert (direct.direct, other.direct) == (True, False)
    for name, weight in other.checkpoint["state_dict"].items():
        assert torch.equal(direct.checkpoint["state_dict"][name], weight)
    for part in ("loops", "lr_schedulers", "global_step", "sums"):
        assert direct.checkpoint[part] == other.checkpoint[part]
    assert direct.curves == other.curves


def test_a_logger_gets_the_same_points(tmp_path: Path) -> None:
    direct = trained(tmp_path / "direct", logger=True, log_every=3)
    other = trained(tmp_path / "other", WithinSteps(), logger=True, log_every=3)
    assert direct.logged == other.logged
    assert sum(bool(line["train/loss_step"]) for line in direct.logged) == 8


@pytest.mark.parametrize("settings", [{"accumulate": 2}, {"precision": "bf16-true"}, {"precision": "64-true"}])
def test_other_settings_take_the_steps_of_lightning(settings: dict[str, Any], tmp_path: Path) -> None:
    assert not trained(tmp_path, **settings).direct


@pytest.mark.parametrize("first", [0.5, float("nan"), float("inf")])
@pytest.mark.parametrize("most", [0.01, 1.0, 1e6])
def test_gradients_are_clipped_as_torch_does(most: float, first: float) -> None:
    torch.manual_seed(0)
    sizes = [(3, 4), (4,), (1,), ()]
    ours, others = ([torch.nn.Parameter(torch.zeros(size)) for size in sizes] for _ in range(2))
    for one, other in zip(ours[1:], others[1:], strict=True):
        one.grad = torch.randn_like(one)
        one.grad.view(-1)[0] = first
        other.grad = one.grad.clone()
    clip(ours, most)
    torch.nn.utils.clip_grad_norm_(others, most)
    for one, other in zip(ours[1:], others[1:], strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=0, equal_nan=True)
