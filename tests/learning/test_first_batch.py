"""One world: what `forward` gets in training is compared with what evaluation, export and serving will give it."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from mlspec.errors import SpecError, StageError
from tests.parts import projects
from tests.parts.projects import Applied, written

MODEL = """
import pytorch_lightning as pl
import torch
from torch import nn


class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)
        self.steps = 0

    def forward(self, numbers):
        return self.layer(numbers).squeeze(1)

    def training_step(self, batch, _):
        x, y = batch
        return nn.functional.mse_loss(self(x), y)

    def validation_step(self, batch, _):
        x, y = batch
        self.log("valid/loss", nn.functional.mse_loss(self(x), y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.05)

    def optimizer_step(self, *args, **kwargs):
        super().optimizer_step(*args, **kwargs)
        print("a step was taken")
"""
DATA = """
import csv

import pyarrow.parquet as pq
import pytorch_lightning as pl
import torch
from mlspec.runtime.preprocess import load
from torch.utils.data import DataLoader, TensorDataset


def table(split):
    return pq.read_table(f"{ROOT}/artifacts/data/{split}.parquet")


def targets(split):
    return torch.tensor(table(split)["y"].to_pylist())


class Loaded(pl.LightningDataModule):
    def loader(self, split, shuffle=False):
        x, y = self.read(split)
        return DataLoader(TensorDataset(x.float(), y.float()), batch_size=32, shuffle=shuffle)

    def train_dataloader(self):
        return self.loader("train", shuffle=True)

    def val_dataloader(self):
        return self.loader("valid")


class Raw(Loaded):
    def read(self, split):
        columns = table(split)
        return torch.tensor([columns["a"].to_pylist(), columns["b"].to_pylist()]).T, targets(split)


class Prepared(Loaded):
    def read(self, split):
        mean, std = Raw().read("train")[0].mean(0), Raw().read("train")[0].std(0, correction=0)
        return (Raw().read(split)[0] - mean) / std, targets(split)


class Given(Raw):
    def __init__(self, preprocess):
        super().__init__()
        self.preprocess = preprocess

    def read(self, split):
        rows = self.preprocess.features(table(split).to_pylist())
        return torch.stack([torch.from_numpy(row["numbers"]) for row in rows]), targets(split)


class Similar(Prepared):
    # Statistics of another split, and a little noise: no row is equal, and the world is the same.
    def read(self, split):
        some, y = Raw().read("valid")
        x = (Raw().read(split)[0] - some.mean(0)) / some.std(0)
        return x + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1)), targets(split)


class Sorted(Similar):
    def loader(self, split, shuffle=False):
        x, y = self.read(split)
        order = y.argsort()
        return DataLoader(TensorDataset(x[order].float(), y[order].float()), batch_size=32)


class Noisy(Raw):
    def read(self, split):
        x, y = super().read(split)
        return x + torch.randn(x.shape, generator=torch.Generator().manual_seed(1)), y


class Everything(Raw):
    # A split of its own over the whole file.
    def read(self, split):
        with open(f"{ROOT}/data/rows.csv") as file:
            rows = [[float(v) for v in row] for row in list(csv.reader(file))[1:]]
        some = torch.tensor([row for i, row in enumerate(rows) if (i % 4 == 0) == (split == "valid")])
        return some[:, :2], some[:, 2]


class Streamed(Everything):
    def loader(self, split, shuffle=False):
        class Rows(torch.utils.data.IterableDataset):
            def __iter__(rows):
                return zip(*(part.float() for part in self.read(split)))

        return DataLoader(Rows(), batch_size=32)


class Sampled(Raw):
    # One dataset over all rows, of which a sampler draws those of train.
    def read(self, split):
        parts = [Raw.read(self, name) for name in ("train", "test")]
        return tuple(map(torch.cat, zip(*parts))) if split == "train" else super().read(split)

    def loader(self, split, shuffle=False):
        if split == "valid":
            return super().loader(split)
        x, y = self.read(split)
        sampler = torch.utils.data.SubsetRandomSampler(range(144))
        return DataLoader(TensorDataset(x.float(), y.float()), batch_size=32, sampler=sampler)


class Halfway(Prepared):
    # Training as it stands in the data, validation standardised.
    def read(self, split):
        return Raw().read(split) if split == "train" else super().read(split)


class Wide(Raw):
    def read(self, split):
        x, y = super().read(split)
        return torch.cat([x, x], 1), y


class Doubled(Raw):
    def loader(self, split, shuffle=False):
        x, y = self.read(split)
        return DataLoader(TensorDataset(x.long(), y.float()), batch_size=32)
"""


@pytest.fixture(scope="module")
def template_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two columns with values of 0..16 and 100..130, split; in the way a person would write it."""
    import random

    draw = random.Random(4)
    lines = ["a,b,y"]
    for _ in range(240):
        a, b = draw.uniform(0, 16), draw.uniform(100, 130)
        lines.append(f"{a:.3f},{b:.3f},{a + 0.1 * b:.3f}")
    spec = (
        "project: {name: world}\n"
        "data:\n  source: data/rows.csv\n  inputs: {a: number, b: number}\n"
        "  target: {column: y, type: number}\n  split: {valid: 0.2, test: 0.2}\n"
        'model: {class: "src.net:Net"}\n'
        "train: {max_epochs: 2}\nevaluate:\n"
    )
    root = tmp_path_factory.mktemp("world")
    project = written(root, {"mlproject.yaml": spec, "data/rows.csv": "\n".join(lines) + "\n", "src/__init__.py": ""})
    (root / "src" / "net.py").write_text(MODEL, encoding="utf-8")
    project.run("data")
    return root


def own(template_project: Path, root: Path, kind: str, preprocess: str, model: str = MODEL) -> Applied:
    shutil.copytree(template_project, root / "p")
    project = Applied(root / "p")
    # Modules of tests that run in one process need names of their own.
    name = f"{root.name.replace('-', '_')}_{kind.lower()}"
    (project.root / f"{name}_net.py").write_text(model, encoding="utf-8")
    (project.root / f"{name}_data.py").write_text(DATA.replace("{ROOT}", str(project.root)), encoding="utf-8")
    loader = f', datamodule: "{name}_data:{kind}"' if kind else ""
    project.spec('{class: "src.net:Net"}', f'{{class: "{name}_net:Net"{loader}, preprocess: {preprocess}}}')
    return project


@pytest.mark.parametrize(
    ("kind", "preprocess"),
    [
        ("Raw", "none"),
        ("Prepared", "mlspec"),
        ("Given", "mlspec"),
        ("Similar", "mlspec"),
        ("Sorted", "mlspec"),
        ("Noisy", "none"),
        ("Sampled", "none"),
    ],
)
def test_one_world_is_trained_and_evaluated(kind: str, preprocess: str, template_project: Path, tmp_path: Path) -> None:
    project = own(template_project, tmp_path, kind, preprocess)
    project.run("train")
    valid = json.loads((project.artifacts / "metrics" / "train.json").read_text(encoding="utf-8"))["best"]["value"]
    project.run("evaluate")
    tested = json.loads((project.artifacts / "metrics" / "evaluate.json").read_text(encoding="utf-8"))["metrics"]
    assert tested["rmse"] ** 2 == pytest.approx(valid, rel=0.5)


@pytest.mark.parametrize(
    ("kind", "preprocess", "right"),
    [
        ("Raw", "mlspec", "none"),
        ("Prepared", "none", "mlspec"),
        ("Similar", "none", "mlspec"),
        ("Noisy", "mlspec", "none"),
    ],
)
def test_two_worlds_are_refused_before_a_step(
    kind: str, preprocess: str, right: str, template_project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = own(template_project, tmp_path, kind, preprocess)
    with pytest.raises(StageError) as raised:
        project.run("train")
    message, help = raised.value.message, raised.value.help
    assert f"(model.preprocess: {preprocess})" in message
    assert "numbers in training: float32 [32 rows, 2], min " in message
    assert "numbers in evaluation: float32 [144 rows, 2], min " in message
    assert "a step was taken" not in capsys.readouterr().out
    assert not (project.artifacts / "model").exists()
    # The help, followed to the letter.
    assert f"set model.preprocess: {right}," in help
    project.spec(f"preprocess: {preprocess}", f"preprocess: {right}")
    project.run("train", "evaluate")
    assert "a step was taken" in capsys.readouterr().out


def test_a_difference_that_is_intended_is_a_warning(
    template_project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = own(template_project, tmp_path, "Raw", "mlspec, compare_inputs: false")
    project.run("train")
    assert "warning: the inputs of forward differ between training and evaluation" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("Wide", "numbers in training: float32 [32 rows, 4]"),
        ("Doubled", "numbers in training: int64 [32 rows, 2]"),
    ],
)
def test_another_shape_or_kind_is_refused(kind: str, message: str, template_project: Path, tmp_path: Path) -> None:
    model = MODEL.replace("nn.Linear(2, 1)", "nn.LazyLinear(1)").replace(
        "self.layer(numbers)", "self.layer(numbers.float())"
    )
    project = own(template_project, tmp_path, kind, "none", model)
    with pytest.raises(StageError) as raised:
        project.run("train")
    assert message in raised.value.message


def test_other_names_of_an_inherited_forward_are_refused(template_project: Path, tmp_path: Path) -> None:
    """A build sees only the methods in the class itself."""
    model = MODEL.replace("def forward(self, numbers)", "def forward(self, pixels)").replace(
        "layer(numbers)", "layer(pixels)"
    )
    model = model.replace("class Net(", "class Pixels(") + "\n\nclass Net(Pixels):\n    pass\n"
    project = own(template_project, tmp_path, "Raw", "none", model)
    with pytest.raises(
        StageError, match="training calls forward with pixels; evaluation, export, serving with numbers"
    ):
        project.run("train")


def test_a_training_step_without_forward_is_compared_by_its_batch(template_project: Path, tmp_path: Path) -> None:
    model = MODEL.replace("mse_loss(self(x), y)\n\n    def valid", "mse_loss(self.layer(x)[:, 0], y)\n\n    def valid")
    assert model != MODEL
    project = own(template_project, tmp_path, "Raw", "mlspec", model)
    with pytest.raises(StageError, match="the inputs of forward differ between training"):
        project.run("train")
    project.spec("preprocess: mlspec", "preprocess: none")
    project.run("train")


def test_a_training_step_that_changes_its_inputs_is_refused_too(template_project: Path, tmp_path: Path) -> None:
    model = MODEL.replace(
        "x, y = batch\n        return", "x, y = 40 * batch[0]['numbers'] + 99, batch[1]\n        return"
    )
    model = model.replace("x, y = batch\n        self.log", "x, y = batch[0]['numbers'], batch[1]\n        self.log")
    project = own(template_project, tmp_path, "", "mlspec", model)
    with pytest.raises(StageError, match="the inputs of forward differ between training") as raised:
        project.run("train")
    assert "pass the inputs of the batch unchanged to forward in training_step" in raised.value.help


VALIDATED = "x, y = batch\n        self.log"
"""The beginning of `validation_step`."""


@pytest.mark.parametrize("step", ["self(x)", "self.layer(x)[:, 0]"])
def test_validation_with_other_inputs_than_training_is_refused_at_its_first_batch(
    step: str, template_project: Path, tmp_path: Path
) -> None:
    model = MODEL.replace("mse_loss(self(x), y))\n\n    def config", f"mse_loss({step}, y))\n\n    def config")
    assert step in model
    project = own(template_project, tmp_path, "Halfway", "none", model)
    with pytest.raises(StageError) as raised:
        project.run("train")
    assert raised.value.message.startswith("the inputs of forward differ between validation and evaluation")
    assert "numbers in validation: float32 [32 rows, 2], min -" in raised.value.message
    assert "numbers in evaluation: float32 [48 rows, 2], min " in raised.value.message
    assert raised.value.help.startswith("preprocess the rows in val_dataloader of")
    assert raised.value.help.endswith("set model.compare_inputs: false")
    assert not (project.artifacts / "model").exists()
    # The help, followed to the letter.
    source = next(project.root.glob("*_data.py"))
    text = source.read_text(encoding="utf-8")
    source.write_text(text.replace('if split == "train" else super().read(split)', ""), encoding="utf-8")
    reloaded(source)
    project.run("train")


def reloaded(source: Path) -> None:
    """Forget a module that a test has changed."""
    sys.modules.pop(source.stem)
    importlib.invalidate_caches()


def test_a_validation_step_that_changes_its_inputs_is_refused(template_project: Path, tmp_path: Path) -> None:
    model = MODEL.replace("x, y = batch\n        return", "x, y = batch[0]['numbers'], batch[1]\n        return")
    model = model.replace(VALIDATED, "x, y = 40 * batch[0]['numbers'] + 99, batch[1]\n        self.log")
    project = own(template_project, tmp_path, "", "mlspec", model)
    with pytest.raises(StageError, match="the inputs of forward differ between validation and evaluation") as raised:
        project.run("train")
    assert "pass the inputs of the batch unchanged to forward in validation_step" in raised.value.help


@pytest.mark.parametrize(
    ("kind", "when"), [("Everything", "before the first step"), ("Streamed", "after the first epoch")]
)
def test_rows_of_the_test_split_among_the_training_rows_are_refused(
    kind: str, when: str, template_project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = own(template_project, tmp_path, kind, "none")
    result = rf"\d\d of 48 rows of the test split are in the training rows of \S+{kind} \(detected {when}\)"
    with pytest.raises(StageError, match=result) as raised:
        project.run("train")
    assert "train on artifacts/data/train.parquet" in raised.value.help
    assert not (project.artifacts / "model").exists()
    assert ("a step was taken" in capsys.readouterr().out) == (kind == "Streamed")


def test_a_data_module_without_a_declaration_is_asked_for_it(template_project: Path, tmp_path: Path) -> None:
    project = own(template_project, tmp_path, "Raw", "none")
    project.spec(", preprocess: none", "")
    with pytest.raises(SpecError) as raised:
        project.build()
    (finding,) = raised.value.diagnostics
    assert finding.code == "preprocess-undeclared"
    assert finding.help.startswith("set model.preprocess: none ")
    assert finding.span is not None


def test_raw_numbers_are_those_of_the_row(template_project: Path, tmp_path: Path) -> None:
    from mlspec.runtime.preprocess import load
    from mlspec.runtime.preprocess.bundle_errors import BadRow

    project = own(template_project, tmp_path, "Raw", "none")
    project.run("train")
    preprocess = load(project.artifacts / "model" / "preprocess")
    (feature,) = preprocess.features([{"a": 2_500_000.5, "b": None}])
    assert feature["numbers"][0] == 2_500_000.5
    assert str(feature["numbers"][1]) == "nan"
    with pytest.raises(BadRow, match=r"b: is larger than 3.4e\+38"):
        preprocess.features([{"a": 1.0, "b": 1e39}])


def test_mlspecs_own_loader_gives_raw_values_where_they_are_declared(tmp_path: Path) -> None:
    project = projects.custom(tmp_path)
    project.spec("args: {hidden: 16}", "args: {hidden: 16}, preprocess: none")
    (project.root / "raw_model.py").write_text(
        projects.CUSTOM.replace('inputs["numbers"]', 'inputs["numbers"].nan_to_num(0.0)'), encoding="utf-8"
    )
    project.spec("src.model:Prices", "raw_model:Prices")
    project.run("data", "train")
    assert (project.artifacts / "model").is_dir()
