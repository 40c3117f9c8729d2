"""`train.tune`, with the real stage on tiny projects: what it finds is what training uses, and nothing else changes."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import StageError
from tests.parts import projects
from tests.parts.projects import Applied
from tests.parts.train.stage import run
from tests.parts.train.test_work import curves, metrics, recorded, same, weights

RATE = "tune: {learning_rate: {min: 1e-5, max: 0.5, steps: 40}}"


def project(root: Path, keys: str, kind: str = "text", more: str = "") -> Applied:
    """A project of two epochs with more keys in `train`."""
    created: Applied = getattr(projects, kind)(root, more)
    epochs = {"text": "max_epochs: 8", "numbers": "max_epochs: 12"}[kind]
    created.spec(epochs, f"max_epochs: 2, {keys}")
    return created


def as_given(root: Path, tuned: dict[str, Any], kind: str = "text", keys: str = "") -> Applied:
    """The same project with the values that were found in its spec, trained."""
    given = project(root, keys or "seed: 42", kind)
    rate = {"text": "learning_rate: 0.01", "numbers": "learning_rate: 0.02"}[kind]
    given.spec("batch_size: 16", f"batch_size: {tuned.get('batch_size', 16)}")
    given.spec(rate, f"learning_rate: {tuned.get('learning_rate', rate.split()[-1])}")
    given.run("data", "train")
    return given


def test_training_runs_as_if_the_spec_had_the_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = "schedule: {type: one-cycle}"
    one = project(tmp_path / "one", f"{keys}, tune: {{batch_size: {{max: 64}}, learning_rate: {{steps: 40}}}}")
    one.run("data", "train")
    output = capsys.readouterr().out
    record = metrics(one)
    content = record.pop("tuned")
    assert (content["batch_size"], content["batch_size_limit"]) == (64, "max")
    assert 1e-4 < content["learning_rate"] < 0.5
    assert "a batch of 32 rows fits" in output
    assert f"learning rate  {content['learning_rate']:g} instead of 0.01" in output
    assert recorded(one)["batch size"] == "64 instead of 16: the maximum"
    assert max(float(row["learning_rate"]) for row in curves(one)) <= content["learning_rate"]
    other = as_given(tmp_path / "other", content, keys=keys)
    assert same(weights(one, "last"), weights(other, "last"))
    assert curves(one) == curves(other)
    assert record == metrics(other)


def test_a_killed_run_does_not_search_again(tmp_path: Path) -> None:
    killed = project(tmp_path / "killed", "checkpoint: {every_steps: 2}, tune: {learning_rate: {steps: 20}}")
    killed.spec("batch_size: 16", "batch_size: 8")
    killed.run("data")
    # Beyond the 20 steps of the search: training has 36.
    assert run(killed, 30).code == -signal.SIGKILL
    (file,) = (killed.root / ".mlspec" / "scratch").glob("train-*/tuned.json")
    state = json.loads(file.read_text(encoding="utf-8"))
    state["learning_rate"] = 0.0123
    file.write_text(json.dumps(state), encoding="utf-8")
    again = run(killed)
    assert again.code == 0, again.output
    assert "resuming the interrupted run" in again.output
    assert "with rates from" not in again.output
    assert metrics(killed)["tuned"]["learning_rate"] == 0.0123
    assert not file.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("warm_processes")
def test_two_processes_find_one_rate(tmp_path: Path) -> None:
    two = project(tmp_path / "two", f"devices: 2, accelerator: cpu, {RATE}", "numbers")
    two.run("data", "train")
    one = project(tmp_path / "one", RATE, "numbers")
    one.run("data", "train")
    record = metrics(two)["tuned"]["learning_rate"]
    assert record == pytest.approx(metrics(one)["tuned"]["learning_rate"], rel=1e-3)


def test_more_rows_than_the_split_has_are_not_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_project = project(tmp_path, "accumulate: 2, tune: {batch_size: {mode: binsearch}}", "numbers")
    toy_project.run("data", "train")
    record = metrics(toy_project)["tuned"]
    assert record == {"batch_size": 72, "batch_size_limit": "rows"}
    assert "help: set train.tune.batch_size.max: 7" in capsys.readouterr().out


NET = """
import pytorch_lightning as pl
import torch
from torch import nn

made = []


class Net(pl.LightningModule):
    def __init__(self, rate=0.1):
        super().__init__()
        {attribute}
        made.append(self)
        self.layer = nn.LazyLinear(1)
        self.layer(torch.zeros(1, 4))

    def forward(self, numbers, categories):
        shown = nn.functional.one_hot(categories.clamp(max=2).flatten(), 3).float()
        return self.layer(torch.cat([numbers, shown], 1)).squeeze(1)

    def training_step(self, batch, _):
        inputs, targets = batch
        return nn.functional.mse_loss(self(**inputs), targets.float())

    def validation_step(self, batch, _):
        inputs, targets = batch
        self.log("valid/loss", nn.functional.mse_loss(self(**inputs), targets.float()))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr={rate})
"""
ROWS = """
import pyarrow.parquet as parquet
import pytorch_lightning as pl
from torch.utils.data import DataLoader
from pathlib import Path
import numpy as np, torch


class Given(pl.LightningDataModule):
    def __init__(self, preprocess):
        super().__init__()
        self.preprocess = preprocess
        {attribute}

    def loader(self, split, shuffle):
        table = parquet.read_table(Path("{artifacts}") / "data" / f"{{split}}.parquet").to_pylist()
        features = self.preprocess.features(table)
        rows = list(zip(features, [float(row["price"]) for row in table]))

        def collate(some):
            inputs = self.preprocess.collate([f for f, _ in some])
            return {{n: torch.from_numpy(a) for n, a in inputs.items()}}, torch.tensor([t for _, t in some])

        return DataLoader(rows, getattr(self, "batch_size", 16), shuffle=shuffle, collate_fn=collate)

    def train_dataloader(self):
        return self.loader("train", True)

    def val_dataloader(self):
        return self.loader("valid", False)
"""


def own(
    root: Path, tune: str, *, attribute: str = "self.learning_rate = rate", rate: str = "self.learning_rate"
) -> Applied:
    """A project with a LightningModule of its own."""
    toy_project = project(root, f"tune: {tune}", "numbers")
    toy_project.spec("model: {type: tabular, hidden: [16], embedding: 4, dropout: 0}", 'model: {class: "src.net:Net"}')
    (root / "src").mkdir()
    (root / "src" / "net.py").write_text(NET.format(attribute=attribute, rate=rate), encoding="utf-8")
    return toy_project


def with_rows(project: Applied, attribute: str) -> Applied:
    """The same with a data module."""
    project.spec('{class: "src.net:Net"}', '{class: "src.net:Net", datamodule: "src.rows:Given", preprocess: mlspec}')
    text = ROWS.format(attribute=attribute, artifacts=project.artifacts)
    (project.root / "src" / "rows.py").write_text(text, encoding="utf-8")
    return project


@pytest.mark.parametrize("name", ["learning_rate", "lr"])
def test_a_module_of_the_project_gets_the_rate(name: str, tmp_path: Path) -> None:
    applied = own(tmp_path, "{learning_rate: {steps: 40}}", attribute=f"self.{name} = rate", rate=f"self.{name}")
    applied.run("data", "train")
    record = metrics(applied)["tuned"]["learning_rate"]
    assert {float(row["learning_rate"]) for row in curves(applied)} == {record}


def test_a_module_without_a_rate_is_refused(tmp_path: Path) -> None:
    applied = own(tmp_path, "{learning_rate: {}}", attribute="self.speed = rate", rate="self.speed")
    with pytest.raises(StageError, match=r"src\.net:Net has no attribute learning_rate or lr") as raised:
        applied.run("data", "train")
    assert "self.learning_rate" in raised.value.help


def test_a_module_that_ignores_its_rate_is_warned_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own(tmp_path, "{learning_rate: {steps: 40}}", rate="0.125").run("data", "train")
    output = capsys.readouterr().out
    assert "warning: src.net:Net does not use the learning rate that was found" in output


def test_a_module_gets_larger_batches(tmp_path: Path) -> None:
    applied = own(tmp_path, "{batch_size: {max: 32}}")
    applied.run("data", "train")
    record = metrics(applied)
    assert record["tuned"]["batch_size"] == 32
    assert record["steps"] == 2 * 5  # 144 rows


def test_a_data_module_gets_larger_batches(tmp_path: Path) -> None:
    applied = with_rows(own(tmp_path, "{batch_size: {max: 32}, learning_rate: {steps: 40}}"), "self.batch_size = 4")
    applied.run("data", "train")
    record = metrics(applied)
    assert record["tuned"]["batch_size"] == 32
    assert record["steps"] == 2 * 5


def test_a_data_module_without_batch_size_is_refused(tmp_path: Path) -> None:
    applied = with_rows(own(tmp_path, "{batch_size: {max: 32}}"), "self.size = 4")
    with pytest.raises(StageError, match=r"src\.rows:Given has no attribute batch_size") as raised:
        applied.run("data", "train")
    assert "train_dataloader" in raised.value.help


def test_an_error_of_the_project_s_code_is_shown_with_its_line(tmp_path: Path) -> None:
    applied = own(tmp_path, "{batch_size: {}}", attribute="self.learning_rate = rate", rate="self.missing")
    with pytest.raises(StageError, match="configure_optimizers"):
        applied.run("data", "train")


def test_no_rate_is_found_where_the_loss_never_falls(tmp_path: Path) -> None:
    toy_project = project(tmp_path, "tune: {learning_rate: {min: 5, max: 10, steps: 20}}", "numbers")
    with pytest.raises(StageError, match="the loss falls at no rate") as raised:
        toy_project.run("data", "train")
    assert "train.learning_rate" in raised.value.help
