"""Tiny real projects, one for each kind of input: made in a folder, applied stage by stage with the real bodies."""

from __future__ import annotations

import functools
import importlib
import io
import os
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from mlspec.compiler import Build, compile_project
from mlspec.job import Job
from mlspec.parts.all_parts import PARTS
from tests.onnx_operators import keep_operators

PROGRAMS = {name: path for part in PARTS for name, path in part.PROGRAMS.items()}


@dataclass
class Applied:
    """A project in a folder."""

    root: Path

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    def build(self) -> Build:
        return compile_project(self.root / "mlproject.yaml")

    def job(self) -> Job:
        project = self.build().project
        return Job(self.root, self.artifacts, self.artifacts, project.values, project.sections)

    def run(self, *stages: str) -> float | None:
        """Run stages one after the other in this process; returns what the last one returns."""
        import torch

        torch.set_num_threads(1)
        if "export" in stages:
            keep_operators()
        _forget_modules()
        _ROOTS.append(self.root)
        result = None
        for stage in stages:
            module, _, name = PROGRAMS[stage].partition(":")
            result = getattr(importlib.import_module(module), name)(self.job())
        return result

    def spec(self, old: str, new: str) -> None:
        """Change the spec's text."""
        path = self.root / "mlproject.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")


_ROOTS: list[Path] = []
"""The projects that were run in this process."""


def _forget_modules() -> None:
    """Have each run import its project's modules afresh, as a stage's own process does: projects share module names."""
    roots = tuple(f"{_real(str(root))}{os.sep}" for root in _ROOTS)
    for name, module in list(sys.modules.items()) if roots else ():
        places = _places(module)
        if places and all(_real(place).startswith(roots) for place in places):
            del sys.modules[name]
    sys.path[:] = [entry for entry in sys.path if not entry or not f"{_real(entry)}{os.sep}".startswith(roots)]
    _ROOTS.clear()


_real = functools.cache(os.path.realpath)
"""Of thousands of modules, each of which would be looked up on the disk for each run."""


def _places(module: ModuleType) -> Sequence[str]:
    """The file that a module was read from; the folders of a package that has no file of its own."""
    spec = getattr(module, "__spec__", None)
    if spec is None:
        return ()
    return [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())


def written(root: Path, files: dict[str, str | bytes]) -> Applied:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Applied(root)


def text(root: Path, more: str = "") -> Applied:
    """Sentences that praise or complain; easy, so that a very small transformer learns it in a second."""
    draw = random.Random(3)
    good, bad = ["good", "great", "lovely", "fine"], ["bad", "awful", "poor", "sad"]
    filler = ["the", "food", "was", "and", "we", "ate", "some", "more", "with", "friends", "by", "the", "sea"]
    lines = ["origin,label,sentence"]
    for number in range(240):
        label = number % 2
        words = draw.choices(filler, k=draw.randrange(1, 14))
        for _ in range(1 + len(words) // 5):
            words.insert(draw.randrange(len(words) + 1), draw.choice(good if label else bad))
        lines.append(f"{draw.choice('abc')},{label},{' '.join(words)}")
    spec = (
        "project: {name: mood}\n"
        "data:\n  source: data/mood.csv\n  inputs: {sentence: text}\n"
        "  target: {column: label, type: class, labels: [sad, glad], labels_are: positions}\n  split: {valid: 0.2, test: 0.2}\n"
        "model: {type: text-classifier, layers: 1, hidden: 16, heads: 2, max_length: 24, vocab_size: 120, dropout: 0}\n"
        "train: {max_epochs: 8, batch_size: 16, learning_rate: 0.01}\n"
    )
    return written(root, {"mlproject.yaml": spec + more, "data/mood.csv": "\n".join(lines) + "\n"})


def numbers(root: Path, more: str = "") -> Applied:
    """A price of size and town: regression over a number and a category, some of both missing."""
    draw = random.Random(5)
    towns = {"Bonn": 3.0, "Ulm": 1.0, "Hof": -2.0, "": 0.0}
    lines = ["size,town,price"]
    for _ in range(240):
        size, town = draw.gauss(0, 2), draw.choice(list(towns))
        shown = "" if draw.random() < 0.05 else f"{size:.4f}"
        lines.append(f"{shown},{town},{2 * size + towns[town] + draw.gauss(0, 0.1):.4f}")
    spec = (
        "project: {name: prices}\n"
        "data:\n  source: data/prices.csv\n  inputs: {size: number, town: category}\n"
        "  target: {column: price, type: number}\n  split: {valid: 0.2, test: 0.2}\n"
        "model: {type: tabular, hidden: [16], embedding: 4, dropout: 0}\n"
        "train: {max_epochs: 12, batch_size: 16, learning_rate: 0.02}\n"
    )
    return written(root, {"mlproject.yaml": spec + more, "data/prices.csv": "\n".join(lines) + "\n"})


def images(root: Path, more: str = "") -> Applied:
    """Grey pictures with a bright half: left, right or top."""
    from PIL import Image

    draw = random.Random(7)
    files: dict[str, str | bytes] = {}
    for number in range(150):
        label = ("left", "right", "top")[number % 3]
        picture = Image.new("L", (8, 8))
        for x in range(8):
            for y in range(8):
                bright = {"left": x < 4, "right": x >= 4, "top": y < 4}[label]
                picture.putpixel((x, y), max(0, min(255, (170 if bright else 60) + draw.randrange(-50, 51))))
        raw = io.BytesIO()
        picture.save(raw, "PNG")
        files[f"data/halves/{label}/{number:03}.png"] = raw.getvalue()
    spec = (
        "project: {name: halves}\n"
        "data:\n  source: data/halves\n  inputs: {image: {type: image, channels: 1}}\n"
        "  target: {column: label, type: class}\n  split: {valid: 0.2, test: 0.2}\n"
        "model: {type: image-classifier, channels: [8], hidden: 16, dropout: 0}\n"
        "train: {max_epochs: 6, batch_size: 16, learning_rate: 0.01}\n"
    )
    return written(root, {"mlproject.yaml": spec + more, **files})


CUSTOM = """\
import pytorch_lightning as pl
import torch
from torch import nn


class Prices(pl.LightningModule):
    def __init__(self, hidden: int, signature: dict):
        super().__init__()
        towns = len(signature["inputs"]["town"]["values"])
        self.towns = nn.Embedding(towns + 1, 4)
        self.body = nn.Sequential(nn.Linear(5, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, **inputs):
        joined = torch.cat([inputs["numbers"], self.towns(inputs["categories"][:, 0])], dim=1)
        return self.body(joined)[:, 0]

    def training_step(self, batch, _):
        inputs, targets = batch
        return nn.functional.mse_loss(self(**inputs), targets)

    def validation_step(self, batch, _):
        inputs, targets = batch
        self.log("valid/loss", nn.functional.mse_loss(self(**inputs), targets), batch_size=len(targets))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.02)
"""


RAW = """\
import pyarrow.parquet as pq
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

TOWNS = ["Bonn", "Hof", "Ulm"]


class Raw(pl.LightningDataModule):
    def __init__(self, folder: str):
        super().__init__()
        self.folder = folder

    def loader(self, split, shuffle=False):
        table = pq.read_table(f"{self.folder}/{split}.parquet")
        sizes = torch.tensor([[float("nan") if v is None else v] for v in table["size"].to_pylist()])
        towns = torch.tensor([[TOWNS.index(v) + 1 if v in TOWNS else 0] for v in table["town"].to_pylist()])
        prices = torch.tensor(table["price"].to_pylist())
        return DataLoader(TensorDataset(sizes.float(), towns, prices.float()), batch_size=16, shuffle=shuffle)

    def train_dataloader(self):
        return self.loader("train", shuffle=True)

    def val_dataloader(self):
        return self.loader("valid")
"""


def raw(root: Path, more: str = "") -> Applied:
    """The prices with a module and a data module of the project's own, which gives the values as they stand."""
    project = custom(root, more)
    model = CUSTOM.replace(
        "inputs, targets = batch", 'inputs, targets = {"numbers": batch[0], "categories": batch[1]}, batch[2]'
    )
    model = model.replace('inputs["numbers"]', 'inputs["numbers"].nan_to_num(0.0)')
    project.spec(
        "args: {hidden: 16}",
        f'args: {{hidden: 16}}, datamodule: "raw_data:Raw", datamodule_args: {{folder: "{root}/artifacts/data"}}, preprocess: none',
    )
    project.spec("src.model:Prices", "raw_model:Prices")
    return written(root, {"raw_model.py": model, "raw_data.py": RAW})


PREP = """\
import numpy as np


class Prep:
    def fit(self, rows):
        sizes = np.array([row["size"] for row in rows])
        self.mean = float(np.nanmean(sizes))

    def state(self):
        return {"mean": self.mean}

    def restore(self, state):
        self.mean = state["mean"]

    def __call__(self, rows):
        sizes = np.array([[row["size"]] for row in rows])
        towns = [[["Bonn", "Hof", "Ulm"].index(row["town"]) + 1 if row["town"] else 0] for row in rows]
        return {"size": np.where(np.isnan(sizes), self.mean, sizes), "town": np.array(towns)}
"""


def own(root: Path, more: str = "") -> Applied:
    """The prices with a module and a preprocessing class of the project's own."""
    project = custom(root, more)
    model = CUSTOM.replace('inputs["numbers"]', 'inputs["size"]').replace('inputs["categories"]', 'inputs["town"]')
    project.spec("args: {hidden: 16}", 'args: {hidden: 16}, preprocess: {class: "own.prep:Prep"}')
    project.spec("src.model:Prices", "own.model:Prices")
    return written(root, {"own/model.py": model, "own/prep.py": PREP})


def custom(root: Path, more: str = "") -> Applied:
    """The prices again, with a LightningModule of the project's own, whose forward takes any inputs."""
    project = numbers(root, more)
    project.spec(
        "model: {type: tabular, hidden: [16], embedding: 4, dropout: 0}",
        'model: {class: "src.model:Prices", args: {hidden: 16}}',
    )
    return written(root, {"src/model.py": CUSTOM, "src/__init__.py": ""})
