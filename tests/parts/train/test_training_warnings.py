"""Early stopping that can never act: found at build, and by the stage where `max_steps` decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.parts.train import training_warnings
from mlspec.parts.train.minimum_rows import epochs
from mlspec.sections.train import EarlyStopping, TrainSpec
from tests.parts import projects


@pytest.mark.parametrize(
    ("patience", "most", "idle"),
    [
        (3, 10, False),
        (3, 5, False),
        (3, 4, True),
        (3, 3, True),
        (10, 10, True),
        (0, 3, False),
        (0, 2, True),
        (1, 1, True),
    ],
)
def test_it_can_stop_after_the_first_epoch_and_its_patience(patience: int, most: int, idle: bool) -> None:
    train = TrainSpec(max_epochs=most, early_stopping=EarlyStopping(patience=patience))
    result = training_warnings.idle(train, most, "max_epochs")
    assert (result is not None) == idle
    assert training_warnings.idle(TrainSpec(max_epochs=most), most, "max_epochs") is None


@pytest.mark.parametrize("expected", ["patience", "max_epochs"])
def test_at_build_it_is_a_warning_whose_help_works(expected: str, tmp_path: Path) -> None:
    project = projects.text(tmp_path)
    project.spec("max_epochs: 8", "max_epochs: 8, early_stopping: {patience: 9}")
    (finding,) = project.build().warnings
    assert (finding.code, finding.severity) == ("patience-too-long", "warning")
    assert finding.message == (
        "early stopping with patience 9 cannot stop before epoch 10, but train.max_epochs ends training after epoch 8"
    )
    assert finding.help == "set train.early_stopping.patience: 6 or lower, or raise train.max_epochs to 11 or higher"
    # The help, followed to the letter.
    project.spec(*(("patience: 9", "patience: 6") if expected == "patience" else ("max_epochs: 8", "max_epochs: 11")))
    assert project.build().warnings == ()


@pytest.mark.parametrize(
    ("steps", "rows", "expected"),
    [
        (None, 100, (9, "max_epochs")),
        (20, 100, (2, "max_steps")),
        (21, 100, (3, "max_steps")),
        (500, 100, (9, "max_epochs")),
        (1, 3, (1, "max_steps")),
    ],
)
def test_epochs_within_max_steps(steps: int | None, rows: int, expected: tuple[int, str]) -> None:
    assert epochs(TrainSpec(max_epochs=9, max_steps=steps, batch_size=10), rows) == expected


def test_the_stage_warns_where_max_steps_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = projects.text(tmp_path)
    project.spec("max_epochs: 8", "max_epochs: 8, max_steps: 10, early_stopping: {patience: 3}")
    assert project.build().warnings == ()
    project.run("data", "train")
    assert "warning: early stopping with patience 3 cannot stop before epoch 4, but train.max_steps ends" in (
        capsys.readouterr().out
    )


def test_early_stopping_acts_at_the_epoch_that_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = projects.text(tmp_path)
    project.spec("max_epochs: 8", "max_epochs: 4, early_stopping: {patience: 1, min_delta: 100}")
    project.run("data", "train")
    out = capsys.readouterr().out
    assert "patience" not in out
    assert "epoch 2/4" in out
    assert "epoch 3/4" not in out


def test_an_experiment_that_only_trains_for_fewer_epochs_is_not_a_mistake(tmp_path: Path) -> None:
    project = projects.numbers(tmp_path, "experiments:\n  fast: {train.max_epochs: 2}\n")
    project.spec("max_epochs: 12", "max_epochs: 12, early_stopping: {patience: 3}")
    assert not project.build().warnings
    project.spec("fast: {train.max_epochs: 2}", "fast: {train.max_epochs: 2, train.early_stopping.patience: 4}")
    assert [(w.code, w.message.partition(":")[0]) for w in project.build().warnings] == [
        ("patience-too-long", "in experiment `fast`")
    ]
