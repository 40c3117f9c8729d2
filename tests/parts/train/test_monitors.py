"""What training monitors: names of any shape, a direction that is certain or asked for, the best epoch and its record."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.errors import SpecError, StageError
from mlspec.job import Job
from mlspec.records.decisions import Decision, TrainDecisions
from tests.parts import projects
from tests.parts.projects import Applied

VALUES = [3.0, 1.0, 2.0, 4.0]
MODEL = f"""
import pytorch_lightning as pl
import torch
from torch import nn


class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, numbers, categories):
        return self.layer(torch.cat([numbers, categories.float()], 1)).squeeze(1)

    def training_step(self, batch, _):
        loss = nn.functional.mse_loss(self(**batch[0]), batch[1])
        self.log("TRAINED", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, _):
        self.log("NAME", torch.tensor({VALUES}[self.current_epoch]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.001)
"""


def own(root: Path, name: str, more: str = "", trained: str = "train_loss") -> Applied:
    project = projects.numbers(root)
    (root / "src").mkdir()
    model = MODEL.replace("NAME", name).replace("TRAINED", trained)
    (root / "src" / "model.py").write_text(model, encoding="utf-8")
    project.spec("model: {type: tabular, hidden: [16], embedding: 4, dropout: 0}", 'model: {class: "src.model:Net"}')
    project.spec("max_epochs: 12", f"max_epochs: 4, checkpoint: {{monitor: '{name}'{more}}}")
    return project


@pytest.fixture(scope="session")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = projects.numbers(tmp_path_factory.mktemp("monitors"))
    project.run("data")
    return project.artifacts / "data"


# Lightning-AI/pytorch-lightning#19929
@pytest.mark.parametrize(
    ("name", "more", "mode", "epoch"),
    [
        ("val_loss", "", "min", 2),
        ("valid/loss", "", "min", 2),
        ("loss", "", "min", 2),
        ("Val Acc", "", "max", 4),
        ("quality", ", mode: min", "min", 2),
        ("quality", ", mode: max", "max", 4),
    ],
)
def test_every_metric_that_a_module_logs_is_known(
    name: str, more: str, mode: str, epoch: int, prices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = own(tmp_path, name, more)
    project.artifacts.mkdir()
    (project.artifacts / "data").symlink_to(prices)
    value = project.run("train")
    record = json.loads((project.artifacts / "metrics" / "train.json").read_text(encoding="utf-8"))
    kept = VALUES[epoch - 1]
    assert value == kept
    assert record["best"] == {"monitor": name, "mode": mode, "value": kept, "epoch": epoch, "step": 9 * epoch}
    assert record["valid"] == {name: kept}
    rows = list(csv.DictReader((project.artifacts / "plots" / "train.csv").read_text(encoding="utf-8").splitlines()))
    assert [float(row[name]) for row in rows] == VALUES
    assert all(row["train_loss"] for row in rows)
    assert not any(column.endswith("_step") for column in rows[0])
    word = "smallest" if mode == "min" else "largest"
    assert f"decision: checkpoint  {word} {name}  [train.checkpoint.mode]" in capsys.readouterr().out.splitlines()
    shown = Decision("checkpoint", f"{word} {name}", "train.checkpoint.mode")
    assert TrainDecisions.read(project.artifacts) == TrainDecisions(decisions=(shown,))
    assert [(d.subject, d.reading, d.key) for d in TrainDecisions.read(project.artifacts).decisions[-1:]] == [
        (shown.subject, shown.reading, shown.key)
    ]


def test_an_unknown_direction_is_asked_for_at_build(tmp_path: Path) -> None:
    project = own(tmp_path, "quality")
    with pytest.raises(SpecError) as raised:
        project.build()
    (finding,) = raised.value.diagnostics
    assert finding.code == "direction-not-known"
    assert finding.message == "the name `quality` does not imply whether smaller or larger is better"
    assert finding.help == "set train.checkpoint.mode: min if smaller is better, max if larger is"
    assert finding.span is not None
    # The help, followed to the letter.
    project.spec("monitor: 'quality'", "monitor: 'quality', mode: max")
    assert project.build().warnings == ()


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("checkpoint:", "early_stopping: {monitor: quality}, checkpoint: {mode: min},", "train.early_stopping.mode"),
        ("project:", "sweep: {metric: quality, parameters: {train.seed: {values: [1, 2]}}}\nproject:", "sweep.goal"),
    ],
)
def test_so_it_is_for_everything_that_is_monitored(old: str, new: str, key: str, tmp_path: Path) -> None:
    project = own(tmp_path, "quality", ", mode: min")
    if "early" in new:
        project.spec("max_epochs: 4,", "max_epochs: 4, early_stopping: {monitor: quality, patience: 1},")
    else:
        project.spec(old, new)
    with pytest.raises(SpecError) as raised:
        project.build()
    assert [(d.code, key in d.help) for d in raised.value.diagnostics] == [("direction-not-known", True)]


def test_an_override_at_run_time_is_refused_before_training(prices: Path, tmp_path: Path) -> None:
    project = own(tmp_path, "quality", ", mode: min")
    project.artifacts.mkdir()
    (project.artifacts / "data").symlink_to(prices)
    job = project.job()
    train = job.sections["train"]
    changed = train.model_copy(update={"checkpoint": train.checkpoint.model_copy(update={"mode": None})})  # type: ignore[attr-defined]
    from mlspec.parts.train.work import main

    with pytest.raises(
        StageError, match="the name `quality` does not imply whether smaller or larger is better"
    ) as raised:
        main(Job(job.root, job.inputs, job.outputs, job.config, {**job.sections, "train": changed}))
    assert "train.checkpoint.mode" in raised.value.help
    assert not (project.artifacts / "model").exists()


def test_the_goal_of_a_sweep_comes_from_a_certain_name(tmp_path: Path) -> None:
    sweep = "sweep: {metric: valid/mcc, parameters: {train.seed: {values: [1, 2]}}}\ntrack: {wandb: {project: p}}\n"
    built = projects.text(tmp_path, sweep).build()
    (wandb,) = (file.text for file in built.files if file.path == "sweep.yaml")
    assert "goal: maximize" in wandb


def test_dvc_draws_what_the_module_logs(tmp_path: Path) -> None:
    project = own(tmp_path, "Val Acc", trained="my_loss")
    (stage,) = (s for s in compile_project(project.root / "mlproject.yaml").plan.stages if s.name == "train")
    (curves,) = (output.curves for output in stage.outputs if output.curves)
    assert curves == {"Loss": ("my_loss",), "Val Acc": ("Val Acc",)}


def test_dvc_draws_each_metric_of_an_own_model(tmp_path: Path) -> None:
    built = projects.text(tmp_path, "evaluate: {metrics: [accuracy, f1]}\n").build()
    (curves,) = (output.curves for stage in built.plan.stages for output in stage.outputs if output.curves)
    assert curves["Loss"] == ("train/loss", "valid/loss")
    assert curves["f1"] == ("valid/f1",)


@pytest.mark.parametrize(
    ("name", "mode", "right"),
    [("val_loss", "max", "min"), ("valid/accuracy", "min", "max"), ("train_loss", "max", "min")],
)
def test_a_direction_against_the_name_is_a_warning_with_both(name: str, mode: str, right: str, tmp_path: Path) -> None:
    project = own(tmp_path, name, f", mode: {mode}", trained="other")
    (finding,) = project.build().warnings
    assert (finding.code, finding.severity) == ("unlikely-direction", "warning")
    assert f"`mode: {mode}` selects the" in finding.message
    assert f"by its name {name} is better when {'smaller' if right == 'min' else 'larger'}" in finding.message
    assert finding.help.startswith(f"set train.checkpoint.mode: {right};")
    assert finding.span is not None
    # The help, followed to the letter.
    project.spec(f"mode: {mode}", f"mode: {right}")
    assert project.build().warnings == ()


def test_a_goal_against_the_name_is_a_warning_with_both(tmp_path: Path) -> None:
    sweep = "sweep: {metric: valid/loss, goal: maximize, parameters: {train.seed: {values: [1, 2]}}}\n"
    (finding,) = projects.text(tmp_path, sweep).build().warnings
    assert finding.code == "unlikely-direction"
    assert finding.help.startswith("set sweep.goal: minimize;")


def test_the_stage_says_it_too(prices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = own(tmp_path, "val_loss", ", mode: max")
    project.artifacts.mkdir()
    (project.artifacts / "data").symlink_to(prices)
    project.run("train")
    assert "warning: checkpoint: `mode: max` selects the largest val_loss" in capsys.readouterr().out


def test_one_name_for_training_and_validation_is_asked_for_at_build(tmp_path: Path) -> None:
    project = own(tmp_path, "loss", trained="loss")
    with pytest.raises(SpecError) as raised:
        project.build()
    (finding,) = raised.value.diagnostics
    assert finding.code == "ambiguous-metric"
    lines = [
        at + 1 for at, line in enumerate((tmp_path / "src/model.py").read_text().splitlines()) if "self.log" in line
    ]
    assert finding.message.startswith(
        f"`loss` is logged by training_step (src/model.py:{lines[0]}) and by validation_step (src/model.py:{lines[1]})"
    )
    assert (
        finding.help
        == "log them under two names, `train/loss` and `valid/loss`, and set train.checkpoint.monitor: valid/loss"
    )
    # The help, followed to the letter.
    for line, name in zip(lines, ("train/loss", "valid/loss"), strict=True):
        text = (tmp_path / "src/model.py").read_text().splitlines()
        text[line - 1] = text[line - 1].replace('"loss"', f'"{name}"')
        (tmp_path / "src/model.py").write_text("\n".join(text), encoding="utf-8")
    project.spec("monitor: 'loss'", "monitor: valid/loss")
    assert project.build().warnings == ()


def test_one_name_that_is_not_monitored_is_a_warning(tmp_path: Path) -> None:
    project = own(tmp_path, "val_loss")
    path = tmp_path / "src" / "model.py"
    both = (
        path.read_text()
        .replace('self.log("train_loss", loss', 'self.log("gap", loss')
        .replace('self.log("val_loss"', 'self.log("gap", torch.ones(()))\n        self.log("val_loss"')
    )
    path.write_text(both, encoding="utf-8")
    (finding,) = project.build().warnings
    assert (finding.code, finding.severity) == ("ambiguous-metric", "warning")


@pytest.mark.parametrize("monitored", [True, False])
def test_a_name_that_only_running_shows_to_be_logged_twice(
    monitored: bool, prices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = own(tmp_path, "loss" if monitored else "val_loss", trained="T")
    path = tmp_path / "src" / "model.py"
    computed = path.read_text().replace('"T"', 'str("loss")').replace('self.log("val_loss"', 'self.log(str("loss"), torch.ones(()))\n        self.log("val_loss"')  # fmt: skip
    path.write_text(computed, encoding="utf-8")
    project.artifacts.mkdir()
    (project.artifacts / "data").symlink_to(prices)
    output = r"`loss` is logged by training_step \(src/model.py:\d+\) and by validation_step \(src/model.py:\d+\): one value overwrites the other"
    if monitored:
        with pytest.raises(StageError, match=output):
            project.run("train")
    else:
        project.run("train")
        assert re.search(f"warning: {output}", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("values", "best"), [(["nan"] * 4, None), (["inf"] * 4, None), (["nan", "2", "nan", "3"], 2.0)]
)
def test_an_epoch_without_a_value_is_never_the_best(
    values: list[str], best: float | None, prices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = own(tmp_path, "val_loss")
    path = tmp_path / "src" / "model.py"
    path.write_text(path.read_text().replace(str(VALUES), f"[float(v) for v in {values}]"), encoding="utf-8")
    project.artifacts.mkdir()
    (project.artifacts / "data").symlink_to(prices)
    if best is not None:
        assert project.run("train") == best
        rows = (project.artifacts / "plots" / "train.csv").read_text(encoding="utf-8")
        assert "nan" not in rows
        assert capsys.readouterr().out.count("note: val_loss is undefined: the model logs NaN") == 1
        return
    with pytest.raises(StageError, match="val_loss is not finite in any epoch") as raised:
        project.run("train")
    assert raised.value.help == "log a finite val_loss in validation, or set train.checkpoint.monitor to another metric"
    assert not (project.artifacts / "model").exists()
