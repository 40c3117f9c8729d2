"""`train.precision: auto`, with the real stage on tiny projects: measured once, kept, and trained as if it were given."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlspec.parts.train.precision_choice import GAIN, decided, undisturbed
from mlspec.parts.train.work import train_here
from tests.parts import projects
from tests.parts.projects import Applied
from tests.parts.train.stage import run
from tests.parts.train.test_work import curves, metrics, recorded, same, weights

MEASURING = "measuring a few steps"


def project(root: Path, keys: str, kind: str = "text") -> Applied:
    """A project of two epochs with more keys in `train`."""
    created: Applied = getattr(projects, kind)(root)
    epochs = {"text": "max_epochs: 8", "numbers": "max_epochs: 12"}[kind]
    created.spec(epochs, f"max_epochs: 2, {keys}")
    created.run("data")
    return created


def kept(project: Applied) -> Path:
    """The file with the choices of this machine."""
    return project.root / ".mlspec" / "scratch" / "precision.json"


def choose(project: Applied, choice: dict[str, Any]) -> None:
    """Replace the only choice in the file."""
    (key,) = json.loads(kept(project).read_text(encoding="utf-8"))
    kept(project).write_text(json.dumps({key: choice}), encoding="utf-8")


def test_training_runs_as_if_the_spec_had_the_precision(tmp_path: Path) -> None:
    auto = project(tmp_path / "auto", "precision: auto")
    auto.run("train")
    record = metrics(auto)
    content = record.pop("tuned")
    assert recorded(auto)["precision"].startswith(f"{content['precision']}: ")
    given = project(tmp_path / "given", f"precision: {content['precision']}")
    given.run("train")
    assert same(weights(auto, "last"), weights(given, "last"))
    assert curves(auto) == curves(given)
    assert record == metrics(given)


def test_a_repeated_training_chooses_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    auto = project(tmp_path / "auto", "precision: auto")
    auto.run("train")
    choose(auto, {"precision": "bf16-mixed", "precision_gain": 1.5})
    capsys.readouterr()
    auto.run("train")
    assert MEASURING not in capsys.readouterr().out
    assert metrics(auto)["tuned"] == {"precision": "bf16-mixed", "precision_gain": 1.5}
    assert recorded(auto)["precision"] == "bf16-mixed: steps with bf16-mixed are 1.50 times as fast as with 32-true"
    given = project(tmp_path / "given", "precision: bf16-mixed")
    given.run("train")
    assert same(weights(auto, "last"), weights(given, "last"))


def test_other_steps_and_a_damaged_file_are_measured_again(tmp_path: Path) -> None:
    auto = project(tmp_path, "precision: auto", "numbers")
    auto.run("train")
    auto.spec("batch_size: 16", "batch_size: 8")
    auto.run("train")
    assert len(json.loads(kept(auto).read_text(encoding="utf-8"))) == 2
    kept(auto).write_text("[", encoding="utf-8")
    auto.run("train")
    assert len(json.loads(kept(auto).read_text(encoding="utf-8"))) == 1


def test_the_jobs_of_a_sweep_measure_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They differ in learning rate, seed and output folder, which do not change how long a step takes."""
    auto = project(tmp_path, "precision: auto", "numbers")
    auto.run("train")
    choose(auto, {"precision": "32-true", "precision_gain": 0.5})
    auto.spec("learning_rate: 0.02", "learning_rate: 0.03")
    auto.spec("precision: auto", "precision: auto, seed: 7, gradient_clip: 0, schedule: {type: cosine}")
    job = auto.job()
    capsys.readouterr()
    train_here(replace(job, outputs=tmp_path / "another"))
    assert MEASURING not in capsys.readouterr().out
    assert len(json.loads(kept(auto).read_text(encoding="utf-8"))) == 1


def test_a_killed_run_resumes_with_its_precision(tmp_path: Path) -> None:
    killed = project(tmp_path, "checkpoint: {every_steps: 2}, precision: auto, accumulate: 2")
    killed.run("train")
    choose(killed, {"precision": "bf16-mixed"})
    assert run(killed, 6).code == -signal.SIGKILL
    kept(killed).unlink()
    again = run(killed)
    assert again.code == 0, again.output
    assert "resuming the interrupted run" in again.output
    assert MEASURING not in again.output
    assert metrics(killed)["tuned"] == {"precision": "bf16-mixed"}
    assert recorded(killed)["precision"] == "bf16-mixed: the device computes bfloat16"


@pytest.mark.slow
@pytest.mark.usefixtures("warm_processes")
def test_two_processes_choose_one_precision(tmp_path: Path) -> None:
    two = project(tmp_path, "devices: 2, accelerator: cpu, precision: auto", "numbers")
    two.run("train")
    assert metrics(two)["tuned"]["precision"] in ("32-true", "bf16-mixed")
    record = json.loads((two.artifacts / "metrics" / "train.json").read_text(encoding="utf-8"))
    assert record["speed"]["devices"] == 2


@pytest.mark.parametrize(
    ("gain", "precision"), [(GAIN - 0.01, "32-true"), (GAIN, "bf16-mixed"), (0.4, "32-true"), (2.2, "bf16-mixed")]
)
def test_a_gain_within_the_noise_keeps_float32(gain: float, precision: str) -> None:
    assert decided(gain).precision == precision


def test_a_step_that_another_program_disturbs_does_not_count() -> None:
    assert undisturbed([[1.0, 9.0, 1.0], [5.0, 2.0, 1.0]]) == 4.0
    assert undisturbed([[3.0, 2.0]]) == 5.0
