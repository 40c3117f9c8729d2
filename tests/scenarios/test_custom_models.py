"""Models and data modules of the project's own."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from mlspec.errors import StageError
from mlspec.learning.build import load_module
from mlspec.records.schema import Schema
from tests.parts import projects
from tests.parts.projects import Applied
from tests.parts.train.stage import run
from tests.parts.train.test_work import metrics, same, weights

MODEL = '''
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F


class Small(pl.LightningModule):
    """Reads the prepared numbers and categories."""

    def __init__(self, hidden: int, signature: dict, rate: float = 0.02) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.inputs = list(signature["inputs"])
        self.layers = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, numbers, categories):
        return self.layers(torch.cat([numbers, categories.float()], 1)).squeeze(1)

    def training_step(self, batch, index):
        inputs, targets = batch
        loss = F.mse_loss(self(**inputs), targets)
        self.log("train/loss", loss, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch, index):
        inputs, targets = batch
        self.log("valid/error", F.mse_loss(self(**inputs), targets))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.rate)
'''
DATA = '''
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset


class Doubles(pl.LightningDataModule):
    """Numbers and their doubles; the order is drawn anew each epoch."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        numbers = torch.randn(rows, 1, generator=torch.Generator().manual_seed(1))
        self.data = TensorDataset(numbers, 2 * numbers[:, 0])

    def _loader(self, shuffle):
        def collate(rows):
            numbers = torch.stack([row[0] for row in rows])
            zeros = torch.zeros(len(rows), 1, dtype=torch.int64)
            return {"numbers": numbers, "categories": zeros}, torch.stack([row[1] for row in rows])

        return DataLoader(self.data, batch_size=16, shuffle=shuffle, collate_fn=collate)

    def train_dataloader(self):
        return self._loader(True)

    def val_dataloader(self):
        return self._loader(False)


class Workers(Doubles):
    """The same, read by a process of its own."""

    def _loader(self, shuffle):
        collate = super()._loader(False).collate_fn
        return DataLoader(
            self.data, 16, shuffle, collate_fn=collate, num_workers=1, persistent_workers=True
        )


class Broken(Doubles):
    """Its loader cannot begin an epoch."""

    def train_dataloader(self):
        class Rows(IterableDataset):
            def __iter__(self):
                raise KeyError("size")

        return DataLoader(Rows(), batch_size=16)


class Unsendable(Doubles):
    """A worker process cannot receive its dataset."""

    def train_dataloader(self):
        self.data.scale = lambda value: value
        return DataLoader(Own(self.data), batch_size=16, num_workers=1, multiprocessing_context="spawn")


class Own(Dataset):
    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, at):
        return self.data[at]
'''


def own_project(
    root: Path, model: str = MODEL, section: str = '{class: "src.model:Small", args: {hidden: 8}}'
) -> Applied:
    project = projects.numbers(root)
    (root / "src").mkdir()
    (root / "src" / "model.py").write_text(model, encoding="utf-8")
    (root / "src" / "data.py").write_text(DATA, encoding="utf-8")
    project.spec("model: {type: tabular, hidden: [16], embedding: 4, dropout: 0}", f"model: {section}")
    project.spec("max_epochs: 12", "max_epochs: 4, checkpoint: {monitor: valid/error, every_steps: 2}")
    project.run("data")
    return project


@pytest.mark.slow
def test_a_module_of_the_projects_own_is_trained_and_loaded_again(tmp_path: Path) -> None:
    project = own_project(tmp_path)
    assert run(project).code == 0
    record = metrics(project)
    assert record["best"]["monitor"] == "valid/error"
    module = load_module(project.artifacts / "model", Schema.read(project.artifacts), project.root)
    assert same(module.state_dict(), weights(project))
    assert not module.training


@pytest.mark.slow
def test_a_data_module_of_the_project_resumes_at_the_last_whole_epoch(tmp_path: Path) -> None:
    section = (
        '{class: "src.model:Small", args: {hidden: 8}, datamodule: "src.data:Doubles", datamodule_args: {rows: 64}, '
        "preprocess: none, compare_inputs: false}"
    )
    whole, killed = own_project(tmp_path / "whole", section=section), own_project(tmp_path / "killed", section=section)
    assert run(whole).code == 0
    assert run(killed, step=10).code == -9
    again = run(killed)
    assert again.code == 0
    assert "resuming the interrupted run" in again.output
    assert same(weights(whole, "last"), weights(killed, "last"))


def of(kind: str) -> str:
    return (
        f'{{class: "src.model:Small", args: {{hidden: 8}}, datamodule: "src.data:{kind}", datamodule_args: {{rows: 64}}, '
        "preprocess: none, compare_inputs: false}"
    )


@pytest.mark.slow
@pytest.mark.usefixtures("warm_processes")
def test_two_processes_of_a_data_module_have_worker_processes(tmp_path: Path) -> None:
    project = own_project(tmp_path, section=of("Workers"))
    project.spec("max_epochs: 4", "max_epochs: 2, devices: 2, accelerator: cpu")
    ended = run(project)
    assert ended.code == 0, ended.output
    assert metrics(project)["epochs"] == 2


@pytest.mark.slow
def test_a_loader_that_cannot_start_is_the_error_that_is_shown(tmp_path: Path) -> None:
    project = own_project(tmp_path, section=of("Broken"))
    ended = run(project)
    assert ended.code == 4
    assert "training raised KeyError: 'size'" in ended.output
    assert re.search(r'src/data\.py:\d+ in __iter__: raise KeyError\("size"\)', ended.output)
    project.spec("src.data:Broken", "src.data:Unsendable")
    ended = run(project)
    assert ended.code == 4
    assert "training raised AttributeError: Can't pickle local object" in ended.output
    assert "the results of src.model:Small and src.data:Unsendable" in ended.output


@pytest.mark.slow
def test_an_error_in_the_projects_code_shows_the_projects_lines(tmp_path: Path) -> None:
    wrong = MODEL.replace("loss = F.mse_loss(self(**inputs), targets)", "loss = self.undefined", 1)
    project = own_project(tmp_path, wrong)
    ended = run(project)
    assert ended.code == 4
    line = wrong.splitlines().index("        loss = self.undefined") + 1
    assert "training raised AttributeError" in ended.output
    assert f"src/model.py:{line} in training_step: loss = self.undefined" in ended.output
    assert "site-packages" not in ended.output
    assert "Traceback" not in ended.output


@pytest.mark.slow
def test_a_class_that_is_not_a_lightning_module_is_refused(tmp_path: Path) -> None:
    project = own_project(tmp_path, "class Small:\n    def __init__(self, hidden):\n        pass\n")
    ended = run(project)
    assert ended.code == 4
    assert "src.model:Small is not a LightningModule" in ended.output


@pytest.mark.slow
def test_a_monitor_that_only_running_shows_to_be_missing(tmp_path: Path) -> None:
    project = own_project(tmp_path, MODEL.replace('self.log("valid/error"', 'self.log("valid/" + "misses"'))
    ended = run(project)
    assert ended.code == 4
    assert "valid/error" in ended.output
    assert "Traceback" not in ended.output


TEXT = """
import pytorch_lightning as pl
import torch
from torch import nn


class Words(pl.LightningModule):
    def __init__(self, labels):
        super().__init__()
        self.words = nn.EmbeddingBag(200, len(labels))

    def forward(self, input_ids, attention_mask):
        return self.words(input_ids, per_sample_weights=None)

    def training_step(self, batch, _):
        inputs, targets = batch
        return nn.functional.cross_entropy(self(**inputs), targets)

    def validation_step(self, batch, _):
        inputs, targets = batch
        self.log("val_loss", nn.functional.cross_entropy(self(inputs["input_ids"], inputs["attention_mask"]), targets))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())
"""


@pytest.mark.parametrize("precision", ["32-true", "bf16-true"])
def test_texts_and_half_precision_are_compared_without_a_false_alarm(tmp_path: Path, precision: str) -> None:
    project = projects.text(tmp_path)
    name = f"words_{precision[:2]}"
    (tmp_path / f"{name}.py").write_text(TEXT, encoding="utf-8")
    old = "{type: text-classifier, layers: 1, hidden: 16, heads: 2, max_length: 24, vocab_size: 120, dropout: 0}"
    project.spec(old, f'{{class: "{name}:Words", vocab_size: 120, max_length: 24}}')
    project.spec("max_epochs: 8", f"max_epochs: 1, precision: {precision}, checkpoint: {{monitor: val_loss}}")
    project.run("data", "train")
    assert metrics(project)["best"]["monitor"] == "val_loss"


def test_objects_among_the_hyperparameters_are_not_unpickled(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    torch.save({"state_dict": {}, "hyper_parameters": {"x": Fraction(1, 2)}}, folder / "best.ckpt")
    with pytest.raises(StageError, match=r"cannot read best\.ckpt"):
        load_module(folder, {"inputs": {}, "target": {"column": "y", "type": "number"}}, tmp_path)
