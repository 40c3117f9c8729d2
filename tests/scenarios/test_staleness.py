"""A real project, applied once; then each thing that it reads is changed by itself: exactly those stages are out of date
whose result can be another one, by mlspec's verdict and by DVC's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dvc.repo import Repo

from mlspec.cli.app import main
from mlspec.compiler import compile_project
from mlspec.dvc.params import VERSIONS
from mlspec.dvc.staleness import reasons
from mlspec.dvc.tree import Tree
from mlspec.errors import StageError
from mlspec.parts.train.part import INEFFECTIVE
from mlspec.sections.train import Checkpoint, TrainSpec
from tests.parts.projects import Applied, written
from tests.sharing import once, shared_folder
from tests.warm_python import WarmPython

pytestmark = pytest.mark.slow

SPEC = """\
project: {name: stale, description: before}
data:
  source: src.data:load
  deps: [data/rows.csv]
  inputs: {size: number}
  target: {column: price, type: number}
  split: {valid: 0.2, test: 0.2, seed: 1}
model: {class: "src.model:Net", args: {hidden: 4}}
train: {max_epochs: 1, batch_size: 16}
evaluate: {metrics: [mae], gates: {mae: "<= 1000"}}
export: {onnx: {tolerance: 1e-3}}
test: {pytest: {args: [-q, -k, limit or outputs_are_finite]}}
"""
FILES: dict[str, str | bytes] = {
    "mlproject.yaml": SPEC,
    "src/__init__.py": '"""The project."""\n',
    "src/data.py": """\
import csv
from pathlib import Path
from pyarrow.csv import read_csv
from src.clean import clean

def load():
    assert read_csv("/".join(["data", "native.csv"])).num_rows == 1
    more = len(Path("data/more.txt").read_text())
    parts = sum(len(path.read_text()) for path in sorted(Path("data/parts").iterdir()))
    with open("data/rows.csv", newline="") as file:
        return [clean(row, more + parts) for row in csv.DictReader(file)]
""",
    "src/clean.py": "from .units import UNIT\n\ndef clean(row, more):\n"
    "    return {'size': float(row['size']), 'price': float(row['price']) * UNIT + more}\n",
    "src/units.py": "UNIT = 1.0\n",
    "src/model.py": """\
import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from src.layers import layers

class Net(pl.LightningModule):
    def __init__(self, hidden):
        super().__init__()
        self.body = layers(hidden)

    def forward(self, numbers):
        return self.body(numbers)[:, 0]

    def training_step(self, batch, _):
        return F.mse_loss(self(**batch[0]), batch[1])

    def validation_step(self, batch, _):
        self.log("valid/loss", F.mse_loss(self(**batch[0]), batch[1]), batch_size=len(batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.001)
""",
    "src/layers.py": """\
import importlib
from pathlib import Path
from torch import nn
import settings

ACTIVATION = importlib.import_module("src." + settings.ACTIVATION).make

def layers(hidden):
    wide = int((Path(__file__).parent.parent / "assets" / "wide.txt").read_text())
    return nn.Sequential(nn.Linear(1, hidden * wide), ACTIVATION(), nn.Linear(hidden * wide, 1))
""",
    "settings.py": 'ACTIVATION = "activation"\n',
    "src/activation.py": "from torch.nn import ReLU as make\n",
    "src/unused.py": "x = 1\n",
    "src/judge.py": "LIMIT = 1\n",
    "tests/test_own.py": "from pathlib import Path\nfrom src.judge import LIMIT\n\ndef test_limit():\n"
    "    assert Path('assets/limit.txt').read_text().strip() == str(LIMIT)\n",
    "assets/wide.txt": "2\n",
    "assets/limit.txt": "1\n",
    "assets/unused.txt": "1\n",
    "data/rows.csv": "size,price\n" + "".join(f"{n / 10},{n / 5}\n" for n in range(80)),
    "data/more.txt": "xx",
    "data/native.csv": "a\n1\n",
    "data/parts/a.txt": "x",
    "data/unused.csv": "x\n",
}
MODEL = {"train", "evaluate", "export", "test"}


@pytest.fixture(scope="module")
def applied(warm: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after its first apply, committed as a team would."""

    def apply(root: Path) -> None:
        written(root, FILES)
        subprocess.run(["git", "init", "-q", str(root)], check=True)
        subprocess.run(["git", "add", "."], cwd=root, check=True)
        subprocess.run(["mlspec", "apply", "--yes"], cwd=root, env=warm.variables(os.environ), check=True)

    return once(shared_folder(tmp_path_factory, "staleness"), apply)


@pytest.fixture
def project(applied: Path, tmp_path: Path) -> Path:
    return shutil.copytree(applied, tmp_path / "p", symlinks=True)


def by_mlspec(root: Path) -> dict[str, str]:
    """Why each stage would run."""
    stages = compile_project(root / "mlproject.yaml").plan.stages
    return {name: why.text for name, why in reasons(stages, Tree(root)).items() if why}


def by_dvc(root: Path) -> set[str]:
    """The stages that DVC would run."""
    with Repo(str(root)) as repo:
        return {name.rpartition(":")[2] for name in repo.status() if not name.endswith(".dvc")}


def settled(root: Path) -> dict[str, str]:
    """The verdict after a build, on which DVC agrees."""
    assert main(["build", "--spec", str(root / "mlproject.yaml")]) == 0
    result = by_mlspec(root)
    assert by_dvc(root) == set(result)
    return result


def edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return change


def more(path: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with (root / path).open("a") as file:
            file.write("# more\n" if path.endswith(".py") else "1\n")

    return change


def spec(old: str, new: str) -> Callable[[Path], None]:
    return edit("mlproject.yaml", old, new)


CHANGES: dict[str, tuple[Callable[[Path], None], set[str], str]] = {
    "nothing": (lambda _: None, set(), ""),
    "the model's module": (more("src/model.py"), MODEL, "input src/model.py changed"),
    "its helper": (more("src/layers.py"), MODEL, "input src/layers.py changed"),
    "its helper's helper, at the root": (more("settings.py"), MODEL, "input settings.py changed"),
    "a module imported by a computed name": (more("src/activation.py"), MODEL, "input src/activation.py changed"),
    "a file that the model opens": (more("assets/wide.txt"), MODEL, "input assets/wide.txt changed"),
    "the data's module": (more("src/data.py"), {"data", "test"}, "input src/data.py changed"),
    "its helper's helper": (more("src/units.py"), {"data", "test"}, "input src/units.py changed"),
    "the package of both": (more("src/__init__.py"), {"data", *MODEL}, "input src/__init__.py changed"),
    "a module of nobody": (more("src/unused.py"), set(), ""),
    "a new module of nobody": (lambda root: (root / "src/new.py").write_text("x = 1\n"), set(), ""),
    "a declared file": (more("data/rows.csv"), {"data"}, "input data/rows.csv changed"),
    "a file that is not declared": (more("data/more.txt"), {"data"}, "input data/more.txt changed"),
    "a file that a library opens by itself": (more("data/native.csv"), {"data"}, "input data/native.csv changed"),
    "one file of a listed folder": (more("data/parts/a.txt"), {"data"}, "input data/parts changed"),
    "a new file of a listed folder": (
        lambda root: (root / "data/parts/b.txt").write_text("x"), {"data"}, "input data/parts changed"),
    "a data file of nobody": (more("data/unused.csv"), set(), ""),
    "an asset of nobody": (more("assets/unused.txt"), set(), ""),
    "a test": (more("tests/test_own.py"), {"test"}, "input tests changed"),
    "a test's helper": (more("src/judge.py"), {"test"}, "input src/judge.py changed"),
    "a file that a test opens": (more("assets/limit.txt"), {"test"}, "input assets/limit.txt changed"),
    "a new import": (
        edit("src/layers.py", "import settings", "import settings, src.unused"), MODEL, "input src/layers.py changed"),
    "project.name": (spec("name: stale", "name: other"), {"export"}, "project.name changed"),
    "project.description": (spec("before", "after"), set(), ""),
    "data.split": (spec("seed: 1", "seed: 2"), {"data"}, "data.split.seed changed"),
    "data.checks": (spec("seed: 1}", "seed: 1}\n  checks: {rows: {min: 2}}"), {"data"}, "data.checks"),
    "data.inputs": (spec("{size: number}", "{size: {type: number}}"), {"data"}, "data.inputs.size changed"),
    "data.remote": (spec("seed: 1}", "seed: 1}\n  remote: ../elsewhere"), set(), ""),
    "data.deps, as the warning says": (
        spec("[data/rows.csv]", "[data/rows.csv, data/more.txt, data/native.csv, data/parts]"), set(), ""),
    "data.deps, one more": (spec("[data/rows.csv]", "[data/rows.csv, data/unused.csv]"), {"data"},
                            "input data/unused.csv is new"),
    "model.args": (spec("hidden: 4", "hidden: 5"), {"train"}, "model.args.hidden changed 4 → 5"),
    "model.compare_inputs": (spec("args: {hidden: 4}", "args: {hidden: 4}, compare_inputs: false"), set(), ""),
    "evaluate.metrics": (spec("[mae]", "[mae, rmse]"), {"evaluate", "export"}, "evaluate.metrics changed"),
    "evaluate.gates": (spec("<= 1000", "<= 2000"), {"gate"}, "evaluate.gates.mae changed"),
    "evaluate.batch_size": (spec("metrics: [mae]", "metrics: [mae], batch_size: 7"), set(), ""),
    "evaluate.accelerator": (spec("metrics: [mae]", "metrics: [mae], accelerator: cpu"), set(), ""),
    "export.onnx": (spec("1e-3", "1e-3, max_size: 1GB"), {"export"}, "export.onnx"),
    "test.pytest": (spec("-q", "-v"), {"test"}, "test.pytest.args changed"),
    "track": (spec("\ntest:", "\ntrack: {wandb: {project: p, mode: offline}}\ntest:"), set(), ""),
    "experiments": (spec("\ntest:", "\nexperiments: {long: {train.max_epochs: 3}}\ntest:"), {"test"}, ""),
}  # fmt: skip
TRAIN: dict[str, str] = {
    "max_epochs": "max_epochs: 2",
    "max_steps": "max_steps: 5",
    "batch_size": "batch_size: 8",
    "drop_last": "drop_last: true",
    "learning_rate": "learning_rate: 0.1",
    "optimizer": "optimizer: {type: sgd}",
    "schedule": "schedule: {type: cosine}",
    "gradient_clip": "gradient_clip: 1.0",
    "accumulate": "accumulate: 2",
    "precision": "precision: 64-true",
    "seed": "seed: 1",
    "deterministic": "deterministic: false",
    "max_time": "max_time: 1h",
    "early_stopping": "early_stopping: {patience: 1}",
    "checkpoint.mode": "checkpoint: {mode: max}",
    "tune": "tune: {learning_rate: {}}",
    "accelerator": "accelerator: cpu",
    "devices": "devices: 1",
    "compile": "compile: off",
    "tf32": "tf32: true",
    "gradient_checkpointing": "gradient_checkpointing: true",
    "strategy": "strategy: ddp",
    "workers": "workers: 1",
    "log_every": "log_every: 1",
    "checkpoint.every": "checkpoint: {every: 1m}",
    "checkpoint.every_steps": "checkpoint: {every_steps: 3}",
}


@pytest.mark.parametrize(("change", "expected", "why"), CHANGES.values(), ids=CHANGES)
def test_which_stages_a_change_makes_stale(
    change: Callable[[Path], None], expected: set[str], why: str, project: Path
) -> None:
    change(project)
    result = settled(project)
    assert set(result) == expected
    assert all(why in reason for reason in result.values())


@pytest.mark.parametrize("key", TRAIN)
def test_training_is_stale_if_the_weights_could_change(key: str, project: Path) -> None:
    bare = "train: {max_epochs: 1, batch_size: 16}"
    kept = bare.replace(f"{key}: 1", f"{key}: x").replace("max_epochs: x, ", "").replace(", batch_size: x6", "")
    spec(bare, f"{kept[:-1]}, {TRAIN[key]}}}")(project)
    result = settled(project)
    # With `deterministic` two short trainings are compared, so the generated test differs too.
    stages = {"train", "test"} if key == "deterministic" else {"train"}
    assert set(result) == (set() if key in INEFFECTIVE else stages)


def test_every_key_of_train_is_covered() -> None:
    keys = {*TrainSpec.model_fields, *(f"checkpoint.{key}" for key in Checkpoint.model_fields)} - {"checkpoint"}
    assert {key for key in INEFFECTIVE if key not in keys} == set()
    assert keys - set(TRAIN) <= {"checkpoint.monitor", "class_weights"}  # not with this model


def test_a_stage_is_stale_after_a_change_of_its_code_in_mlspec(project: Path) -> None:
    stages = compile_project(project / "mlproject.yaml").plan.stages
    newer = [replace(stage, version=2) if stage.name == "evaluate" else stage for stage in stages]
    edit(VERSIONS, "evaluate: 1", "evaluate: 2")(project)
    actual = {name: why.text for name, why in reasons(newer, Tree(project)).items() if why}
    assert actual == {"evaluate": "mlspec's code of this stage changed, version 1 → 2"}
    assert by_dvc(project) == {"evaluate"}


def test_opened_files_are_recorded_and_reported(applied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (applied / "reads.lock").read_text().splitlines()[1:]
    assert set(lines) == {
        "data data/more.txt",
        "data data/native.csv",
        "data data/parts",
        *(f"{stage} {path}" for stage in MODEL - {"test"} for path in ("assets/wide.txt", "src/activation.py")),
        *(f"test {path}" for path in ("assets/limit.txt", "assets/wide.txt", "src/activation.py")),
    }
    main(["build", "--check", "--spec", str(applied / "mlproject.yaml")])
    output = capsys.readouterr().err
    assert "warning[undeclared-read]" in output
    assert "deps: [data/rows.csv, data/more.txt, data/native.csv, data/parts]" in output


def test_dvc_knows_what_was_opened_right_after_the_first_apply(project: Path) -> None:
    assert "- data/more.txt" in (project / "dvc.yaml").read_text()
    more("data/more.txt")(project)
    assert by_dvc(project) == {"data"}


@pytest.fixture
def own_modules() -> Iterator[None]:
    """Each copy of the project has its own modules."""
    before = list(sys.path)
    yield
    sys.path[:] = before
    for name in [name for name in sys.modules if name.partition(".")[0] in ("src", "settings")]:
        del sys.modules[name]


@pytest.mark.usefixtures("own_modules")
@pytest.mark.parametrize("stage", ["evaluate", "export"])
def test_old_weights_are_not_used_with_new_code(stage: str, project: Path) -> None:
    edit("src/layers.py", "nn.Linear(1,", "nn.Linear(1, bias=True, out_features=")(project)
    with pytest.raises(StageError, match="code has changed since the checkpoint was trained: src/layers"):
        Applied(project).run(stage)


@pytest.mark.usefixtures("own_modules")
@pytest.mark.parametrize("stage", ["evaluate", "export"])
def test_a_comment_does_not_change_the_digest_of_code(stage: str, project: Path) -> None:
    more("src/layers.py")(project)
    result = {"evaluate": "metrics/evaluate.json", "export": "bundle/model.onnx"}[stage]
    (project / "artifacts" / result).unlink(missing_ok=True)
    Applied(project).run(stage)
    assert (project / "artifacts" / result).is_file()
